import { defineExperiment } from '@drf/experiment';
import { BY_METHOD, FROZEN_ENCODERS } from './frozen-encoders.js';

/**
 * DRF on TumEmo's seven emotions (Table 1), with the frozen embedded encoders and a feature space of 256.
 * Command:  pnpm train tumemo --dataset.root DIR
 * Paper:    accuracy 69.6, weighted F1 69.6 on clean posts (fine-tuned encoders).
 * Expected: not measured here; the data was not at hand.
 */
export default defineExperiment({
  name: 'tumemo',
  dataset: { name: 'tumemo', splitSizes: [156217, 19524, 19524] },
  model: { dim: 256, ...FROZEN_ENCODERS },
  training: { epochs: 4, learningRate: 1e-4, checkpointEvery: 2000 },
  methods: BY_METHOD,
});
