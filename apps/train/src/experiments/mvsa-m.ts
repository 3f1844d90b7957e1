import { defineExperiment } from '@drf/experiment';

/**
 * DRF on MVSA-Multiple (Table 1), with the frozen embedded encoders and a feature space of 256.
 * Command:  pnpm train mvsa-m --dataset.root DIR
 * Paper:    accuracy 72.2, weighted F1 70.4 on clean posts (fine-tuned encoders).
 * Expected: not measured here; the data was not at hand.
 */
export default defineExperiment({
  name: 'mvsa-m',
  dataset: { name: 'mvsa-multiple' },
  model: { dim: 256 },
  training: { epochs: 8 },
});
