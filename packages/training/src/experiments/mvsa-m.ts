import { defineExperiment } from '@drf/experiment';
import { BY_METHOD, FROZEN_ENCODERS } from './frozen-encoders.js';

/**
 * DRF on MVSA-Multiple (Table 1), with the frozen embedded encoders and a feature space of 256.
 * Command:  pnpm train mvsa-m --dataset.root DIR
 * Paper:    accuracy 72.2, weighted F1 70.4 on clean posts (fine-tuned encoders).
 * Expected: not measured here; the data was not at hand.
 */
export default defineExperiment({
  name: 'mvsa-m',
  dataset: { name: 'mvsa-multiple', splitSizes: [13618, 1703, 1703] },
  model: { dim: 256, ...FROZEN_ENCODERS },
  training: { epochs: 5, learningRate: 1e-4 },
  methods: BY_METHOD,
});
