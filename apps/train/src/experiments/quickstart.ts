import { defineExperiment } from '@drf/experiment';

/**
 * DRF on the embedded data (emoji pictures and sentences) with the embedded encoders: nothing is downloaded.
 * Command:  pnpm start
 * Duration: under three minutes on two cores.
 * Expected: clearly above the majority class on emoji and words that training never saw; see docs/results.md.
 */
export default defineExperiment({
  name: 'quickstart',
  dataset: { name: 'embedded' },
  model: { dim: 64, queueCapacity: 128 },
  training: { epochs: 10, learningRate: 1e-3, disruption: 'random:0.4:C+D' },
});
