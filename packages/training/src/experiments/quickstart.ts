import { defineExperiment } from '@drf/experiment';
import { BY_METHOD, FROZEN_ENCODERS } from './frozen-encoders.js';

/**
 * DRF on the embedded data (emoji pictures and sentences) with the embedded encoders: nothing is downloaded.
 * Command:  pnpm start
 * Duration: under three minutes on two cores.
 * Expected: clearly above the majority class on emoji and words that training never saw; see docs/results.md.
 */
export default defineExperiment({
  name: 'quickstart',
  dataset: { name: 'embedded' },
  model: { dim: 128, queueCapacity: 256, ...FROZEN_ENCODERS },
  training: { epochs: 8, learningRate: 3e-4, disruption: 'random:0.4:C+D' },
  methods: BY_METHOD,
});
