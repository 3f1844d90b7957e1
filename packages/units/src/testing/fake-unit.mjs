// A program of units without what takes long to load: `fake-unit.mjs PLAN INDEX`, for tests of runners of other machines.
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const [plan, index] = process.argv.slice(2);
const folder = join(dirname(plan), '..');
const { output, label, input } = JSON.parse(readFileSync(plan, 'utf8')).units[Number(index)];
if (existsSync(join(folder, output))) process.exit(0);
const { what, times = Infinity } = typeof input === 'string' ? { what: input } : input;
const tries = join(folder, `${label}.tries`);
appendFileSync(tries, `${process.pid}\n`);
const act = readFileSync(tries, 'utf8').trim().split('\n').length > times ? 'ok' : what;
const say = (text, code) => process.stderr.write(`${text}\n`, () => process.exit(code));
if (process.env.DRF_UNIT_PARENT === 'stdin') process.stdin.on('end', () => process.exit(75)).resume();
if (act === 'ok') {
  mkdirSync(dirname(join(folder, output)), { recursive: true });
  writeFileSync(join(folder, output), 'result');
  process.exit(0);
}
if (act === 'kill') process.kill(process.pid, 'SIGKILL');
if (act === 'refuse') say('Row 3 expected a label, received none', 65);
if (act === 'unavailable') say('Hub expected a net, received none', 75);
if (act === 'hang') setTimeout(() => process.exit(0), 60_000);
