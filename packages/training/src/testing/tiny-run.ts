import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createMethod,
  memoryRows,
  parseExperiment,
  RunFolder,
  type ExperimentConfig,
  type FeatureSet,
} from '@drf/experiment';
import { createRandom, hostTensor, type Engine } from '@drf/tensor';
import type { TrainerEvents, TrainerOptions } from '../trainer.js';

const CLASSES = ['positive', 'neutral', 'negative'];
const SHAPES = { imageDim: 6, textDim: 5, classes: 3 };

/** Posts whose class shows in both modalities; every fifth lacks its image, every seventh its text. */
export function separablePosts(count: number, seed = 0): FeatureSet {
  const random = createRandom(seed).fork('posts');
  const labels = Int32Array.from({ length: count }, (_, i) => i % 3);
  const rows = (dim: number): ReturnType<typeof memoryRows> => {
    const values = Array.from({ length: count * dim }, (_, i) => {
      const label = labels[Math.floor(i / dim)] as number;
      return 0.3 * random.normal() + (i % dim === label ? 2 : 0);
    });
    return memoryRows(hostTensor(values, [count, dim]));
  };
  const available = (period: number): Float32Array =>
    Float32Array.from({ length: count }, (_, i) => (i % period === period - 1 ? 0 : 1));
  return {
    ids: Array.from({ length: count }, (_, i) => `post-${i}`),
    labels,
    image: { rows: rows(SHAPES.imageDim), available: available(5) },
    text: { rows: rows(SHAPES.textDim), available: available(7).map((value, i) => (i % 5 === 4 ? 1 : value)) },
  };
}

export function tinyConfig(overrides: Record<string, unknown> = {}): ExperimentConfig {
  return parseExperiment(
    {
      name: 'tiny',
      seed: 3,
      dataset: { name: 'embedded' },
      model: { dim: 8, queueCapacity: 16 },
      training: { epochs: 4, batchSize: 8, learningRate: 5e-3, ...overrides },
    },
    'tiny',
  );
}

export const SILENT: TrainerEvents = { onStep: () => undefined, onEpoch: () => undefined };

/** Options of a trainer over tiny posts, in a new run folder. */
export async function tinyOptions(engine: Engine, config = tinyConfig()): Promise<TrainerOptions> {
  const folder = await mkdtemp(join(tmpdir(), 'drf-train-'));
  return {
    config,
    classes: CLASSES,
    method: createMethod(config, SHAPES),
    engine,
    run: await RunFolder.create(join(folder, 'run'), { overwrite: false }),
    train: separablePosts(21),
    val: separablePosts(15, 1),
    events: SILENT,
    resume: false,
  };
}
