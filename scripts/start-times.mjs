// How long each command takes until its help stands there, which is how long it takes until it could say anything:
// node scripts/start-times.mjs [--json] (after `pnpm build`). The fastest of five tries, and the processor time of it, which
// a busy machine does not change much; wanted are half a second each.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const ROOT = join(import.meta.dirname, '..');
const TRIES = 5;
const WANTED_SECONDS = 0.5;

/** What a process says of itself at its end, on standard error. */
const CLOCK = `data:text/javascript,${encodeURIComponent(`process.on('exit', () => {
  const { user, system } = process.cpuUsage();
  process.stderr.write('cpu ' + (user + system) / 1e6);
});`)}`;

function measure(words) {
  const program = join(ROOT, 'packages', 'drf', 'dist', 'bin.js');
  const tries = Array.from({ length: TRIES }, () => {
    const startedAt = performance.now();
    const { status, stderr } = spawnSync(process.execPath, ['--import', CLOCK, program, ...words], {
      encoding: 'utf8',
    });
    const seconds = (performance.now() - startedAt) / 1000;
    if (status !== 0) throw new Error(`drf ${words.join(' ')} ended with ${status}: ${stderr}`);
    return { seconds, cpu: Number(/cpu ([\d.]+)/.exec(stderr)?.[1]) };
  });
  return tries.reduce((best, each) => (each.seconds < best.seconds ? each : best));
}

const { COMMAND_NAMES } = await import(pathToFileURL(join(ROOT, 'packages', 'drf', 'dist', 'commands.js')).href);
const rows = [['--version'], ['--help'], ...COMMAND_NAMES.map((name) => [name, '--help'])].map((words) => ({
  command: `drf ${words.join(' ')}`,
  ...measure(words),
}));
if (process.argv.includes('--json')) console.log(JSON.stringify({ node: process.version, rows }, null, 2));
else {
  for (const { command, seconds, cpu } of rows) {
    const mark = seconds > WANTED_SECONDS ? '  slow' : '';
    console.log(`${command.padEnd(24)} ${seconds.toFixed(2)} s  (processor ${cpu.toFixed(2)} s)${mark}`);
  }
}
