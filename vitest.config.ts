import { defineConfig } from 'vitest/config';

/**
 * Rooms whose test files each get a process of their own: what they start (servers, child processes, native libraries,
 * caches that count what was loaded) would meet the next file's. The files of all others share one process per worker,
 * which loads every module once.
 */
const ISOLATED = [
  'packages/{encoders,engine,evaluation,export,files,predict,service,training}',
  'apps/*',
  'lab/*',
  'scripts',
];

const tests = (folders: readonly string[]): string[] => folders.map((folder) => `${folder}/**/*.test.ts`);
const ALL = ['packages/*/src', 'apps/*/src', 'lab/*/src', 'scripts'];

// Workspace packages resolve to their TypeScript source, so tests never see a stale build.
const conditions = ['source', 'import', 'module', 'node', 'default'];
const resolution = { resolve: { conditions }, ssr: { resolve: { conditions } } };

const common = { setupFiles: ['./vitest.setup.ts'], pool: 'forks' as const, testTimeout: 60_000, hookTimeout: 60_000 };

export default defineConfig({
  ...resolution,
  test: {
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
