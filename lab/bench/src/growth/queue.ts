import { distributionStatistics, FeatureQueue, fitLowRankGaussian } from '@drf/distribution';
import { createEngine } from '@drf/engine';
import { createRandom, type Named, type QueueRows } from '@drf/tensor';
import { headStep, normals } from './head-step.js';
import { calledOperation, LINEAR, type Prepared, type Topic } from './topic.js';

const CLASSES = 3;
const BATCH = 16;
const DIM = 128;
const RANK = 32;

function filledQueue(rows: number): FeatureQueue {
  const queue = new FeatureQueue({ capacity: rows, dim: DIM });
  queue.enqueue(normals(createRandom('queue'), rows, DIM));
  return queue;
}

function enqueue(rows: number): Prepared {
  const queue = filledQueue(rows);
  const batch = normals(createRandom('batch'), BATCH, DIM);
  const into = new Float32Array(rows * DIM); // as steps read it
  return {
    call: () => {
      queue.enqueue(batch);
      return [queue.rows(into), queue.rowWeights()];
    },
  };
}

type Given = { readonly rows: QueueRows; readonly weights: Named<['capacity']> };

async function statistics(rows: number): Promise<Prepared> {
  const queue = filledQueue(rows);
  const engine = await createEngine('compiled');
  const program = await engine.prepare(
    (_: Record<string, never>, given: Given) => distributionStatistics(given.rows, given.weights),
    {},
  );
  const given = { rows: queue.rows(), weights: queue.rowWeights() };
  return {
    call: () => program.run(given),
    close: async () => {
      await program.dispose();
      await engine.dispose();
    },
  };
}

function fit(rows: number): Prepared {
  const features = normals(createRandom('queue'), rows, DIM);
  return { call: () => fitLowRankGaussian(features, RANK) };
}

/** What grows with the length of the queues of features. */
export const QUEUE: Topic = {
  name: 'queue',
  unit: 'rows of the queue',
  sizes: [64, 128, 256, 512, 1024, 2048, 4096, 8192],
  smallest: 4,
  operations: [
    calledOperation({ name: 'step', words: 'a training step of drf', atMost: LINEAR }, async (queue) =>
      headStep(await createEngine('compiled'), { classes: CLASSES, queue }),
    ),
    calledOperation({ name: 'enqueue', words: 'adding a batch and reading the queue', atMost: LINEAR }, enqueue),
    calledOperation({ name: 'statistics', words: 'mean and deviation of its rows (Eq. 1, 2)', atMost: LINEAR }, statistics), // prettier-ignore
    calledOperation({ name: 'fit', words: 'fitting the low-rank Gaussian to its rows', atMost: LINEAR }, fit),
  ],
};
