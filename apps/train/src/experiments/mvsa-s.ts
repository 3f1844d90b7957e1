import { defineExperiment } from '@drf/experiment';

/**
 * DRF on MVSA-Single (Table 1, Section 4.1: batch 16, 30 epochs, learning rate 2e-4 for everything but encoders), here
 * with the frozen embedded encoders in place of fine-tuned ViT-B/16 and BERT-base, and a feature space of 256.
 * Command:  pnpm train mvsa-s --dataset.root DIR
 * Paper:    accuracy 76.5, weighted F1 75.9 on clean posts (fine-tuned encoders).
 * Expected: see docs/results.md.
 */
export default defineExperiment({
  name: 'mvsa-s',
  dataset: { name: 'mvsa-single' },
  model: { dim: 256 },
  training: { epochs: 8 },
});
