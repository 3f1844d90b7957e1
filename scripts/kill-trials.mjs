// Kills programs at random moments, goes on with each as a user would, and compares what comes out with what comes out
// undisturbed, byte by byte. Needs a build.
//
//   node scripts/kill-trials.mjs --kills 100 --seed 1
//   node scripts/kill-trials.mjs --jobs predict,grid --kills 20
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createRandom } from './random.mjs';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    jobs: { type: 'string', default: 'train-fresh,train-warm,predict,grid,grid-writes' },
    keep: { type: 'boolean', default: false },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'drf-kills-'));
const app = (name) => join('apps', name, 'dist', 'main.js');
const Database = createRequire(join(process.cwd(), 'packages', 'evaluation', 'package.json'))('libsql');

/** Runs a program to its end, or until `kill` resolves; the whole group of processes then dies at once. */
async function run(args, kill) {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => void (said += chunk));
  const ended = new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal })));
  let isOver = false;
  void ended.then(() => (isOver = true));
  if (kill !== undefined) {
    await kill(() => isOver);
    try {
      if (!isOver) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // it ended in this very moment
    }
  }
  return { ...(await ended), said };
}

const hash = (content) => createHash('sha256').update(content).digest('hex');

/** Files of a folder by name, as hashes of what must be equal: wall times, dates and places differ. */
function filesOf(path, skip = []) {
  const files = {};
  for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
    const name = join(entry.parentPath, entry.name).slice(path.length + 1);
    if (!entry.isFile() || skip.includes(name)) continue;
    const content = readFileSync(join(path, name));
    files[name] = hash(
      /\.jsonl?$/.test(name)
        ? content
            .toString()
            .replace(/"(seconds|createdAt)": ?("[^"]*"|[\d.e-]+)/g, '"$1":0')
            .replaceAll(path, '')
        : content,
    );
  }
  return files;
}

/** Columns that differ from store to store: ids, dates, wall times, places. */
const SAME = Object.fromEntries(
  ['id', 'training_id', 'post_list_id', 'manifest_id', 'cell_id', 'seconds', 'folder', 'finished_at', 'versions'].map(
    (name) => [name, null],
  ),
);

/** Hashes of what a store holds. */
function storeOf(path) {
  const database = new Database(path, { readonly: true });
  const all = (sql) => database.prepare(sql).all();
  if (all('PRAGMA integrity_check')[0].integrity_check !== 'ok') return { integrity: 'damaged' };
  const rows = (sql) => JSON.stringify(all(sql).map((row) => ({ ...row, ...SAME })));
  const trainings = rows('SELECT * FROM training ORDER BY address');
  const cells = rows('SELECT * FROM cell ORDER BY address');
  const predictions = rows(
    'SELECT c.address, p.* FROM prediction p JOIN cell c ON c.id = p.cell_id ORDER BY c.address, p.position',
  );
  database.close();
  return { trainings: hash(trainings), cells: hash(cells), predictions: hash(predictions) };
}

const EXPERIMENT = ['quickstart-smoke', '--training.checkpoint-every', '2', '--quiet'];
const GRID = ['grid', 'smoke', '--methods', 'concatenation', '--ablations', 'no-pair-expansion', '--seeds', '0-1', '--dr', '0.6', '--settings', 'C', '--quiet']; // prettier-ignore

function trainJob(cacheOf) {
  return {
    start: (place) => [app('train'), ...EXPERIMENT, '--out', place, '--cache', cacheOf(place)],
    resume: (place) =>
      existsSync(join(place, 'config.json')) && readdirSync(join(place, 'checkpoints')).some((name) => /^step-\d+\.safetensors$/.test(name)) // prettier-ignore
        ? [app('train'), '--resume', place, '--cache', cacheOf(place), '--quiet']
        : [app('train'), ...EXPERIMENT, '--out', place, '--cache', cacheOf(place), '--overwrite'],
    result: (place) => filesOf(place, ['report.html', 'config.json']), // dates and wall times
  };
}

const grid = {
  start: (place) => [app('eval'), ...GRID, '--out', place, '--cache', join(folder, 'cache')],
  resume: (place) => [app('eval'), ...GRID, '--out', place, '--cache', join(folder, 'cache')],
  result: (place) =>
    storeOf(
      join(
        place,
        readdirSync(place).find((name) => /\.(db|sqlite)$/.test(name)),
      ),
    ),
};

const JOBS = {
  'train-warm': trainJob(() => join(folder, 'cache')),
  'train-fresh': trainJob((place) => `${place}-cache`),
  predict: {
    start: (place) => [app('predict'), join(folder, 'train-warm'), join(folder, 'posts.csv'), '--out', `${place}.csv`, '--jobs', '2', '--quiet'], // prettier-ignore
    resume: (place) => JOBS.predict.start(place),
    isDone: (place) => existsSync(`${place}.csv`) && !existsSync(`${place}.csv.partial`),
    result: (place) => Object.fromEntries(readdirSync(folder).filter((name) => name.startsWith(`${place.slice(folder.length + 1)}.csv`) && !name.endsWith('.lock')).map((name) => [name.slice(name.indexOf('.csv')), hash(readFileSync(join(folder, name)))])), // prettier-ignore
  },
  grid,
  // dies within milliseconds of a change of the store's files
  'grid-writes': { ...grid, watch: (place) => place },
};

/** Resolves when a store's files have changed a number of times, and a random moment later. */
async function storeWritten(place, times, random, isOver) {
  const state = () => {
    try {
      return readdirSync(place).filter((name) => /\.(db|sqlite)/.test(name)).map((name) => { const { size, mtimeMs } = statSync(join(place, name)); return `${name}:${size}:${mtimeMs}`; }).join(); // prettier-ignore
    } catch {
      return '';
    }
  };
  let [before, changes] = [state(), 0];
  while (changes < times && !isOver()) {
    await wait(1);
    const now = state();
    if (now !== before) changes++;
    before = now;
  }
  await wait(Math.floor(random() * 4));
}

const random = createRandom(Number(values.seed));
writeFileSync(
  join(folder, 'posts.csv'),
  `id,text\n${Array.from({ length: 600 }, (_, i) => `p${i},"${i % 50 === 7 ? '' : `a day of number ${i}, and what a day`}"`).join('\n')}\n`,
);
let [failures, killed] = [0, 0];
for (const name of values.jobs.split(',')) {
  const job = JOBS[name];
  const place = join(folder, name);
  if (name !== 'train-warm' && !existsSync(join(folder, 'train-warm'))) {
    await run(JOBS['train-warm'].start(join(folder, 'train-warm')));
  }
  rmSync(place, { recursive: true, force: true });
  const startedAt = performance.now();
  const undisturbed = await run(job.start(place));
  const milliseconds = performance.now() - startedAt;
  if (undisturbed.code !== 0) throw new Error(`${name} fails undisturbed: ${undisturbed.said}`);
  const expected = JSON.stringify(job.result(place));
  const share = Math.ceil(Number(values.kills) / values.jobs.split(',').length);
  let [kills, rounds, wrong] = [0, 0, 0];
  while (kills < share) {
    const here = `${place}-${rounds++}`;
    const most = 1 + Math.floor(random() * 3); // kills of a round
    for (let i = 0; i < most && job.isDone?.(here) !== true; i++) {
      const kill =
        job.watch === undefined
          ? async () => wait(random() * milliseconds)
          : async (isOver) => storeWritten(job.watch(here), 1 + Math.floor(random() * 6), random, isOver);
      const { signal, code, said } = await run(i === 0 ? job.start(here) : job.resume(here), kill);
      if (signal === 'SIGKILL') kills++;
      else if (code !== 0) {
        console.log(`${name}, round ${rounds}: exit code ${code}: ${said.trim().split('\n').at(-1)}`);
        wrong++;
      }
      if (signal !== 'SIGKILL') break;
    }
    if (job.isDone?.(here) !== true) {
      const last = await run(job.resume(here));
      if (last.code !== 0) console.log(`${name}, round ${rounds}, going on: ${last.said.trim().split('\n').at(-1)}`);
    }
    const received = JSON.stringify(job.result(here));
    if (received !== expected) {
      wrong++;
      console.log(`${name}, round ${rounds}: not the same\n  ${expected}\n  ${received}`);
    } else if (!values.keep) {
      for (const entry of readdirSync(folder).filter((entry) => entry.startsWith(here.slice(folder.length + 1)))) rmSync(join(folder, entry), { recursive: true, force: true }); // prettier-ignore
    }
  }
  killed += kills;
  failures += wrong;
  console.log(`${name}: ${kills} kills in ${rounds} rounds (${(milliseconds / 1000).toFixed(1)} s undisturbed), ${rounds - wrong} equal, ${wrong} not`); // prettier-ignore
}
console.log(`${killed} kills, ${failures} wrong`);
if (failures === 0 && !values.keep) rmSync(folder, { recursive: true, force: true });
else console.log(`left in ${folder}`);
process.exitCode = failures === 0 ? 0 : 1;
