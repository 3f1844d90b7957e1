// `pnpm build`: packages, programs and the page, by turbo, quietly. Prints one line when it works and everything when it does not.
// One compiler for the whole workspace (`tsc --build` over project references) takes a quarter of the time of one a
// package; `turbo run build --filter=@drf/model` still builds a single package with what it needs.
import { spawnSync } from 'node:child_process';

const startedAt = performance.now();
process.stderr.write('Building packages, programs and the page (a minute or two where nothing is built yet) …\n');
const result = spawnSync('turbo', ['run', 'compile', 'site', '--output-logs=errors-only', ...process.argv.slice(2)], {
  encoding: 'utf8',
  env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1', TURBO_NO_UPDATE_NOTIFIER: '1' },
  shell: process.platform === 'win32',
});
if (result.status !== 0) {
  process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}\n`);
  process.stderr.write('The build failed; what it printed stands above.\n');
}
const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
if (result.status === 0) process.stderr.write(`Built in ${seconds} s\n`);
process.exitCode = result.status ?? 1;
