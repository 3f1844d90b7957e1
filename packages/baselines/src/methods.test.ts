import { createRandom } from '@drf/tensor';
import { createConcatenation, createDrf, drfConfig } from '@drf/model';
import {
  createClmlf,
  createHsan,
  createLateFusion,
  createMgnns,
  createMvan,
  createMvcn,
  createUnimodal,
  measureGraphs,
} from '@drf/baselines';
import { describeMethodContract } from './method.contract.js';
import { tokenExample } from './testing/token-examples.js';

const dim = 8;
const overfit = { steps: 70, rate: 2e-2 };

const graphSizes = { words: 6, objects: 4, scenes: 3 };
const { batch } = tokenExample({ posts: 16, missing: false });
const source = { posts: 16, image: async () => batch.image.tokens, text: async () => batch.text.tokens };
const graphs = await measureGraphs(source, graphSizes, createRandom(1));

const contrastive = { contrastiveScale: 0.1, contrastiveTemperature: 0.07 };

describeMethodContract('drf-adapted', {
  create: (shapes) =>
    createDrf(
      drfConfig(dim, { queueCapacity: 16, weighting: 'normalized', recoveryTargetGradient: false }),
      shapes,
      'drf-adapted',
    ),
  overfit,
});
describeMethodContract('drf-paper', {
  create: (shapes) => createDrf(drfConfig(dim, { queueCapacity: 16 }), shapes),
  overfit: { steps: 400, rate: 5e-3 }, // its small weights learn slowly, and large steps throw it about
});
describeMethodContract('concatenation', { create: (shapes) => createConcatenation({ dim }, shapes), overfit });
describeMethodContract('image-only', {
  create: (shapes) => createUnimodal('image', { dim }, shapes),
  overfit: { steps: 140, rate: 3e-2 },
});
describeMethodContract('text-only', {
  create: (shapes) => createUnimodal('text', { dim }, shapes),
  overfit: { steps: 140, rate: 3e-2 },
});
describeMethodContract('late-fusion', { create: (shapes) => createLateFusion({ dim }, shapes), overfit });
describeMethodContract('hsan', { create: (shapes) => createHsan({ dim }, shapes), overfit });
describeMethodContract('mvan', { create: (shapes) => createMvan({ dim, hops: 2 }, shapes), overfit });
describeMethodContract('mgnns', {
  create: (shapes) => createMgnns({ dim, heads: 2, graphs: graphSizes }, shapes, graphs),
  overfit,
});
describeMethodContract('clmlf', {
  create: (shapes) => createClmlf({ dim, heads: 2, imageLayers: 1, fusionLayers: 1, seed: 1, ...contrastive }, shapes),
  overfit,
});
describeMethodContract('mvcn', {
  create: (shapes) => createMvcn({ dim, restraintScale: 0.1, calibration: 0.5 }, shapes),
  overfit,
});

// the authors' forms of those whose code is public
const thresholds = { objects: 0.6, scenes: 0.5 };
const authorsGraphs = await measureGraphs(source, { ...graphSizes, thresholds }, createRandom(1));
describeMethodContract('mgnns', {
  create: (shapes) => createMgnns({ dim, heads: 2, graphs: graphSizes, form: 'authors' }, shapes, authorsGraphs),
  overfit,
});
describeMethodContract('clmlf', {
  create: (shapes) =>
    createClmlf(
      { ...contrastive, dim, heads: 2, imageLayers: 1, fusionLayers: 1, seed: 1, form: 'authors', contrastiveScale: 1 },
      shapes,
    ),
  overfit: { steps: 140, rate: 1e-2 },
});
