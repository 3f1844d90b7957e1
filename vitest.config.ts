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

const tests = (places: readonly string[]): string[] =>
  places.flatMap((place) => [`${place}/**/*.test.ts`, `${place}.test.ts`]);
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
          exclude: ['**/node_modules/**', ...tests(ISOLATED)],
        },
      },
      {
        ...resolution,
        test: { ...common, name: 'isolated', include: tests(ISOLATED), exclude: ['**/node_modules/**', '**/dist/**'] },
      },
    ],
    // .ci/run reads the counts from a file
    reporters: process.env.VITEST_JSON ? ['default', ['json', { outputFile: process.env.VITEST_JSON }]] : ['default'],
  },
});
