import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/**
 * Tests whose files each get a process of their own: they start servers, children or browsers, fill disks, take over the
 * process's output, or count what a backend holds, which would meet the next file's. All other files share a process for
 * each worker, which loads every module once.
 */
const ISOLATED = [
  'packages/{collective,drf,export,service,storage,units}',
  'packages/datasets/src/stream-posts', // measures the memory of its process
  'packages/datasets/src/posts/packed', // has a library say other sizes
  'packages/files/src/atomic',
  'packages/terminal',
  'packages/experiment/src/trained-methods',
  'packages/evaluation/src/grid',
  'apps',
  'lab',
  'scripts',
];

/**
 * Files that take ten seconds or more by themselves on two quiet cores, mostly since they train over several processes,
 * run grids, or follow a document from its first command to its last. `pnpm test` leaves them out, `pnpm test:all` runs
 * them after all others. Each gets a process of its own.
 */
const SLOW = [
  'packages/baselines/src/methods',
  'packages/drf/src/load',
  'packages/encoders/src/huggingface/trainable',
  'packages/encoders/src/models/dropout',
  'packages/evaluation/src/grid/{by-hand,grid}',
  'packages/evaluation/src/report/report',
  'packages/experiment/src/trained-methods',
  'packages/experiment/src/calibration/measure-calibration',
  'packages/export/src/{browser,judge-export,measure-loss}',
  'packages/service/src/judge-process/judge-process',
  'packages/training/src/{cached-states,distributed,fine-tune}',
  'packages/units/src/{run-units,unit-program}',
  'packages/units/src/runners/local',
  'apps/data/src/data-app',
  'apps/predict/src/units',
  'apps/serve/src/{judges,page,serve,static-page,workers}',
  'apps/train/src/{distributed,dry-run,remote-run}',
  'apps/tune/src/tune',
  'lab/bench/src/growth/growth',
  'lab/tensorflow/src/install',
  'scripts/docs/{examples,library}',
];

const tests = (places: readonly string[]): string[] =>
  places.flatMap((place) => [`${place}/**/*.test.ts`, `${place}.test.ts`]);
const OTHERS = ['**/node_modules/**', '**/dist/**'];
const ALL = ['packages/*/src', 'apps/*/src', 'lab/*/src', 'scripts'];

// Workspace packages resolve to their TypeScript source, so tests never see a stale build.
const conditions = ['source', 'import', 'node', 'default']; // as Node's own, without the bundlers' `module`
const resolution = { resolve: { conditions }, ssr: { resolve: { conditions } } };

const common = { setupFiles: ['./vitest.setup.ts'], pool: 'forks' as const, testTimeout: 60_000, hookTimeout: 60_000 };

export default defineConfig({
  ...resolution,
  test: {
    maxWorkers: availableParallelism(), // one fewer is usual, which on two cores leaves one of them idle
    projects: [
      {
        ...resolution,
        test: {
          ...common,
          name: 'shared',
          isolate: false,
          include: tests(ALL),
          exclude: [...OTHERS, ...tests(ISOLATED), ...tests(SLOW)],
        },
      },
      {
        ...resolution,
        test: { ...common, name: 'isolated', include: tests(ISOLATED), exclude: [...OTHERS, ...tests(SLOW)] },
      },
      {
        ...resolution,
        test: { ...common, name: 'slow', include: tests(SLOW), exclude: OTHERS, sequence: { groupOrder: 1 } },
      },
    ],
    // .ci/run reads the counts from a file
    reporters: process.env.VITEST_JSON ? ['default', ['json', { outputFile: process.env.VITEST_JSON }]] : ['default'],
  },
});
