import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { openMpi, sumOverRanks, type Collective } from '@drf/collective';
import { parseExperiment, RunFolder } from '@drf/experiment';
import { createDisplay, shareRun, train } from '@drf/training';
import { median, timeCalls } from '../measure.js';
import { ownPeakMegabytes, type Operation, type SizeCost, type Topic } from './topic.js';

/** Floats that are summed: 16 MB, what a small encoder's gradients take. */
const FLOATS = 4_000_000;
const BATCH = 16;
/** Training posts, in steps of {@link BATCH}. */
const POSTS = 160;

/**
 * All ranks share one machine here, so that what each of them does, does not get less with more of them: they take turns
 * on its cores. Each holds a whole model, and no more than that.
 */
const ON_ONE_MACHINE = { time: 1, memory: 0 };

/** Measures as one rank of several; every rank does the same, and rank 0 knows the memory of all. */
function rankOperation(
  name: string,
  words: string,
  timed: (own: Collective, calls: number) => Promise<number>,
): Operation {
  return {
    name,
    words,
    atMost: ON_ONE_MACHINE,
    measure: async (_, calls): Promise<SizeCost> => {
      const own = await openMpi();
      try {
        const milliseconds = await timed(own, calls);
        const peaks = await own.allGather(Buffer.from(String(ownPeakMegabytes())));
        const rankMegabytes = peaks.map((peak) => Number(Buffer.from(peak).toString()));
        await own.close();
        return { milliseconds, peakMegabytes: Math.max(...rankMegabytes), rankMegabytes };
      } catch (error) {
        process.stderr.write(`rank ${own.rank}: ${String(error)}\n`);
        own.abort(1); // the others would wait forever
        throw error;
      }
    },
  };
}

async function allReduce(own: Collective, calls: number): Promise<number> {
  const gradients = new Float32Array(FLOATS).fill(own.rank);
  const times = [];
  for (let call = 0; call <= calls; call++) {
    await own.barrier();
    times.push(...(await timeCalls(() => sumOverRanks(own, [gradients]), 1, 0)));
  }
  return Math.min(...times);
}

/** A whole training of two epochs, as `train --distributed mpi` does it. @returns the median time from step to step */
async function step(own: Collective): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'drf-bench-ranks-'));
  const config = parseExperiment(
    {
      name: 'ranks',
      dataset: { name: 'embedded', limit: POSTS },
      model: { dim: 128, queueCapacity: 256, gaussianRank: 32 },
      training: { epochs: 2, batchSize: BATCH, simulation: { share: 0 } },
    },
    'The benchmark of growth',
  );
  const { run, release } = await shareRun(own, () => RunFolder.create(join(folder, 'run'), { overwrite: false }));
  const ends: number[] = [];
  const display = { ...createDisplay(true), onStep: () => void ends.push(performance.now()) };
  const cache = join(folder, 'features');
  await train({ config, run, resume: false, resultOnly: true, cache, display, distributed: { collective: own } });
  await release();
  await rm(folder, { recursive: true, force: true });
  return median(ends.slice(1).map((end, i) => end - (ends[i] as number)));
}

/** What grows with the processes that train together. */
export const RANKS: Topic = {
  name: 'ranks',
  unit: 'ranks',
  sizes: availableParallelism() >= 8 ? [1, 2, 4, 8] : [1, 2, 4],
  smallest: 1,
  operations: [
    rankOperation('all-reduce', `the sum of ${FLOATS / 1e6} million floats over all ranks`, allReduce),
    rankOperation('step', `a training step of drf, ${BATCH} posts in all ranks together`, step),
  ],
  launcher: (ranks) => ['mpirun', '--allow-run-as-root', '--oversubscribe', '--bind-to', 'none', '-n', String(ranks)],
};
