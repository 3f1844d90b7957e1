import { createMethod, parseExperiment } from '@drf/experiment';
import type { GatedObservations } from '@drf/model';
import {
  byModality,
  createRandom,
  hostTensor,
  type Engine,
  type Host,
  type HostTensor,
  type Random,
} from '@drf/tensor';
import { createMethodWorkload } from '../bench-methods.js';
import type { Prepared } from './topic.js';

const BATCH = 16;
/** Of the features and of what encoders put out. */
const DIM = 128;
const RANK = 32;

export interface HeadSizes {
  readonly classes: number;
  /** Rows of each queue, all of them filled. */
  readonly queue: number;
}

/** Steps of `drf` over features of 128 values, 16 posts each. */
export async function headStep(engine: Engine, { classes, queue }: HeadSizes): Promise<Prepared> {
  const config = {
    name: 'growth',
    dataset: { name: 'embedded' },
    model: { dim: DIM, queueCapacity: queue, gaussianRank: RANK },
  } as const;
  const shapes = { imageDim: DIM, textDim: DIM, classes };
  const method = createMethod(parseExperiment(config, 'The benchmark of growth'), shapes);
  const workload = await createMethodWorkload(engine, method, shapes, BATCH);
  workload.memory.update(observationsOf(createRandom('queue'), queue));
  return {
    call: (number) => workload.step(number),
    close: async () => {
      await workload.dispose();
      await engine.dispose();
    },
  };
}

/** What steps over so many intact posts would have told the memory. */
function observationsOf(random: Random, rows: number): Host<GatedObservations> {
  return byModality((modality) => ({
    features: normals(random.fork(`${modality} features`), rows, DIM),
    encoded: normals(random.fork(`${modality} encoded`), rows, DIM),
    admitted: hostTensor(new Float32Array(rows).fill(1), [rows]),
  }));
}

/** @returns [rows, columns] */
export function normals(random: Random, rows: number, columns: number): HostTensor {
  const numbers = Float32Array.from({ length: rows * columns }, () => random.normal());
  return hostTensor(numbers, [rows, columns]);
}
