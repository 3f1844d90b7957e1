// Training in two processes on two hosts, against one process: `node lab/scale/mpi.mjs`, as root, after a build.
// The hosts are network namespaces of this machine with a cable between them and names of their own; what stands for ssh
// enters them. Needs Linux, iproute2 and Open MPI; says so and ends well where one is missing.
//
// It shows: losses and parameters equal to one process; a rank killed by `kill -9`, which ends the job, and `--resume` to
// the same bits; a stop by SIGUSR2, and `--resume` in one process; and what an all-reduce costs beside a step.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { writeEncoders } from './encoders.mjs';
import { ROOT } from './laboratory.mjs';

const TRAIN = join(ROOT, 'apps/train/dist/main.js');
const HOSTS = ['drf-mpi-a', 'drf-mpi-b'];
const NETWORK = '10.79.79';
/** What stands for ssh: a program that enters a host, given its name and a command. */
let enter;
/** Encoders of four million floats each. */
const WIDE = { hidden_size: 256, num_hidden_layers: 5, num_attention_heads: 4, intermediate_size: 1024 };
/** Floats that are summed, from the gradients of low-rank updates to those of a third of ViT-B and BERT-base. */
const SIZES = [100_000, 1_000_000, 10_000_000, 50_000_000];

async function main() {
  const missing = whatIsMissing();
  if (missing !== undefined) return console.log(`skipped: ${missing}`);
  const folder = mkdtempSync(join(tmpdir(), 'drf-mpi-'));
  const started = performance.now();
  try {
    makeHosts(folder);
    await writeEncoders(folder, { small: {}, wide: WIDE });
    const two = await equality(folder);
    await killAndResume(folder, two);
    await stopAndResumeAlone(folder, two);
    await costs(folder);
    console.log(`all as it should be, in ${seconds(started)} s`);
  } finally {
    removeHosts();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Two hosts train what one process trains. @returns the run's folder */
async function equality(folder) {
  const config = writeConfig(folder, 'small', {});
  const [one, two] = ['one', 'two'].map((name) => join(folder, name));
  await alone([config, '--training.accumulate', '2', '--out', one]);
  await together([config, '--out', two, '--distributed-check', '5']);
  const steps = rowsOf(one).at(-1).step;
  assert.ok(steps >= 20, `${steps} steps`);
  console.log(
    `${steps} steps with trained encoders on two hosts: losses ${await differ(two, one, 1e-5)} from those of one process`,
  );
  return two;
}

/** A rank is killed in the middle; the job ends, and goes on to the same bits. */
async function killAndResume(folder, straight) {
  const config = join(folder, 'small.json');
  const run = join(folder, 'killed');
  const job = start(HOSTS, [config, '--out', run]);
  await until(() => existsSync(join(run, 'checkpoints', 'step-10.safetensors')), job);
  const victim = ranksOn(HOSTS[1]);
  assert.equal(victim.length, 1);
  const killed = performance.now();
  process.kill(victim[0], 'SIGKILL');
  const { code } = await job.ended;
  assert.notEqual(code, 0);
  assert.deepEqual(HOSTS.flatMap(ranksOn), [], 'a rank outlived its job');
  console.log(`kill -9 of a rank: the job was over ${seconds(killed)} s later, exit code ${code}, no rank left`);
  await together(['--resume', run]);
  console.log(`resumed on two hosts: ${await differ(run, straight, 0)} from not having been killed`);
}

/** A launcher passes on SIGUSR2; ranks stop after the same step, and one process goes on. */
async function stopAndResumeAlone(folder, straight) {
  const config = join(folder, 'small.json');
  const run = join(folder, 'stopped');
  const job = start(HOSTS, [config, '--out', run]);
  await until(() => existsSync(join(run, 'checkpoints', 'step-5.safetensors')), job);
  job.launcher('SIGUSR2');
  const { code, stdout } = await job.ended;
  assert.equal(code, 130, job.said());
  assert.match(stdout, /Go on with: .*--resume/);
  await alone(['--resume', run]);
  console.log(
    `stopped by SIGUSR2, resumed in one process: ${await differ(run, straight, 1e-5, 1e-4)} from not having stopped`,
  );
}

/** Seconds of sums over two hosts, beside those of steps. */
async function costs(folder) {
  const out = join(folder, 'sums.json');
  await ended(launch(HOSTS, [fileURLToPath(import.meta.url), '--sum', ...SIZES.map(String)], { SUMS: out }));
  console.log('\nsum over two hosts    sent    seconds');
  for (const [floats, time] of JSON.parse(readFileSync(out, 'utf8'))) {
    console.log(
      `${millions(floats).padStart(10)} floats ${megabytes(floats).padStart(10)}   ${time.toFixed(3).padStart(7)}`,
    );
  }
  const trained = { all: {}, 'rank 8': { lora: { rank: 8 } } };
  console.log('\ntrained parameters        sent    one process    two hosts   (seconds a step of 8 posts)');
  for (const [name, encoders] of Object.entries(trained)) {
    const config = writeConfig(folder, 'wide', { encoders, epochs: 2, limit: 24, batchSize: 8 });
    const runs = ['one', 'two'].map((which) => join(folder, `wide-${which}-${name.replace(' ', '')}`));
    await alone([config, '--training.accumulate', '2', '--out', runs[0]]);
    await together([config, '--out', runs[1]]);
    const [one, two] = runs.map(secondsAStep);
    const floats = await trainedFloats(runs[1]);
    console.log(
      `${name.padEnd(8)} ${millions(floats).padStart(8)} ${megabytes(floats).padStart(10)} ${one.toFixed(2).padStart(14)} ${two.toFixed(2).padStart(12)}`,
    );
  }
  console.log("(both hosts share this machine's cores here: two machines would halve the computing of a step)\n");
}

/** As one rank: the seconds of sums, the second time each. */
async function sumAsRank(sizes) {
  const { openMpi, sumOverRanks } = await import('../../packages/collective/dist/index.js');
  const own = await openMpi();
  const times = [];
  for (const size of sizes) {
    const array = new Float32Array(size).fill(own.rank + 1);
    let time = 0;
    for (let turn = 0; turn < 2; turn++) {
      await own.barrier();
      const begun = performance.now();
      const [sum] = await sumOverRanks(own, [array]);
      time = (performance.now() - begun) / 1000;
      assert.equal(sum[0], (own.size * (own.size + 1)) / 2);
      assert.equal(sum[size - 1], sum[0]);
    }
    times.push([size, time]);
  }
  if (own.rank === 0) writeFileSync(process.env.SUMS, JSON.stringify(times));
  await own.close();
}

function whatIsMissing() {
  if (process.platform !== 'linux') return 'network namespaces are Linux';
  if (process.getuid() !== 0) return 'making network namespaces needs root';
  for (const program of ['ip', 'unshare', 'mpirun']) {
    try {
      execFileSync('which', [program], { stdio: 'ignore' });
    } catch {
      return `${program} is not installed`;
    }
  }
  if (!existsSync(TRAIN)) return 'nothing is built (pnpm build)';
  return undefined;
}

function makeHosts(folder) {
  removeHosts();
  const ip = (...words) => execFileSync('ip', words);
  const ends = ['drfmpi0', 'drfmpi1'];
  ip('link', 'add', ends[0], 'type', 'veth', 'peer', 'name', ends[1]);
  HOSTS.forEach((host, i) => {
    ip('netns', 'add', host);
    ip('link', 'set', ends[i], 'netns', host);
    ip('-n', host, 'addr', 'add', `${NETWORK}.${i + 1}/24`, 'dev', ends[i]);
    ip('-n', host, 'link', 'set', ends[i], 'up');
    ip('-n', host, 'link', 'set', 'lo', 'up');
  });
  const shell = '#!/bin/sh\nhost=$1; shift\nexec ip netns exec "$host" unshare --uts sh -c "hostname $host; $*"\n';
  writeFileSync(join(folder, 'enter'), shell, { mode: 0o755 });
  enter = join(folder, 'enter');
}

function removeHosts() {
  for (const host of HOSTS) {
    try {
      execFileSync('ip', ['netns', 'delete', host], { stdio: 'ignore' });
    } catch {
      // was not there
    }
  }
}

function writeConfig(folder, name, { encoders = {}, epochs = 4, limit = 48, batchSize = 8 }) {
  const path = join(folder, `${name}.json`);
  const config = {
    name,
    seed: 4,
    dataset: { name: 'embedded', imageSize: 32, limit },
    encoders: {
      image: `huggingface:${join(folder, `${name}-vit`)}`,
      text: `huggingface:${join(folder, `${name}-bert`)}`,
      trainable: { image: true, text: true },
      ...encoders,
    },
    model: { dim: 16, queueCapacity: 32, gaussianRank: 4 },
    training: {
      epochs,
      batchSize,
      clipNorm: 1,
      learningRate: 1e-3,
      encoderLearningRate: 1e-3,
      checkpointEvery: 5,
      keepCheckpoints: 99,
    },
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}

const alone = (words) => ended(run(process.execPath, [TRAIN, ...words, '--quiet']));
const together = (words) => ended(start(HOSTS, words));
const start = (hosts, words) => launch(hosts, [TRAIN, ...words, '--distributed', 'mpi', '--quiet']);

/** `mpirun` on the first of the hosts, one process on each. */
function launch(hosts, words, environment = {}) {
  const settings = {
    plm_rsh_agent: enter,
    plm_rsh_no_tree_spawn: '1',
    btl_tcp_if_include: `${NETWORK}.0/24`,
    oob_tcp_if_include: `${NETWORK}.0/24`,
    btl: 'tcp,self',
  };
  const mca = Object.entries(settings).flatMap(([name, value]) => ['--mca', name, value]);
  const exported = Object.keys(environment).flatMap((name) => ['-x', name]);
  const on = hosts.map((host) => `${host}:1`).join(',');
  const command = [
    'mpirun',
    '--allow-run-as-root',
    '--bind-to',
    'none',
    ...mca,
    ...exported,
    '--host',
    on,
    process.execPath,
    ...words,
  ];
  return run(enter, [hosts[0], 'exec', ...command], environment);
}

/** A process with what it has said so far, and a way to signal `mpirun` (not what entered the host for it). */
function run(program, words, environment = {}) {
  const child = spawn(program, words, {
    cwd: ROOT,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) child[name].on('data', (bytes) => (text[name] += bytes));
  const end = new Promise((resolveEnd) => {
    child.on('close', (code) => resolveEnd({ code, ...text }));
  });
  return {
    ended: end,
    said: () => `${text.stdout}\n${text.stderr}`,
    isOver: () => child.exitCode !== null || child.signalCode !== null,
    launcher: (signal) => processesOf(HOSTS[0], /^mpirun/).forEach((pid) => process.kill(pid, signal)),
  };
}

async function ended(job) {
  const { code, stdout } = await job.ended;
  assert.equal(code, 0, job.said());
  return stdout;
}

async function until(isSo, job) {
  while (!isSo()) {
    assert.ok(!job.isOver(), job.said());
    await wait(20);
  }
}

/** Training processes on a host. */
const ranksOn = (host) => processesOf(host, /^\S*node .*--distributed mpi/);

function processesOf(host, command) {
  const pids = execFileSync('ip', ['netns', 'pids', host], { encoding: 'utf8' })
    .split('\n')
    .filter(Boolean)
    .map(Number);
  return pids.filter((pid) => {
    try {
      return command.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '));
    } catch {
      return false; // ended meanwhile
    }
  });
}

function rowsOf(folder) {
  return readFileSync(join(folder, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/**
 * The largest difference of two runs' losses and of their last checkpoints' numbers, which is at most `tolerance`. Where
 * steps were cut otherwise, some parameters (the bias of keys above all, whose gradient is nothing but rounding) are
 * moved by AdamW by what rounding says.
 */
async function differ(folder, other, tolerance, ofParameters = tolerance) {
  const numbers = (row) => [
    row.total ?? row.trainLoss,
    row.valLoss ?? 0,
    ...Object.values(row.parts ?? row.trainParts),
  ];
  const [own, due] = [folder, other].map((each) => rowsOf(each).map(numbers));
  assert.deepEqual(
    own.map(({ length }) => length),
    due.map(({ length }) => length),
  );
  const losses = largest(own.flat(), due.flat());
  const [tensors, expected] = await Promise.all([folder, other].map(lastCheckpoint));
  assert.deepEqual([...tensors.keys()], [...expected.keys()]);
  const [worst, parameters] = [...tensors]
    .map(([name, { data }]) => [name, largest(data, expected.get(name).data)])
    .reduce((most, own) => (own[1] > most[1] ? own : most));
  assert.ok(losses <= tolerance, `${folder}: losses differ by ${losses}`);
  assert.ok(parameters <= ofParameters, `${folder}: ${worst} differs by ${parameters}`);
  return `differ by ${losses.toExponential(1)}, parameters and memory by ${parameters.toExponential(1)}${parameters === 0 ? '' : ` (${worst})`}`;
}

const largest = (own, due) =>
  own.reduce((most, value, i) => Math.max(most, Math.abs(value - due[i]) / (1 + Math.abs(due[i]))), 0);

async function lastCheckpoint(folder) {
  const { decodeSafetensors } = await import('../../packages/files/dist/index.js');
  const step = rowsOf(folder).at(-1).step;
  const path = join(folder, 'checkpoints', `step-${step}.safetensors`);
  return decodeSafetensors(await readFile(path), path).tensors;
}

async function trainedFloats(folder) {
  const tensors = await lastCheckpoint(folder);
  return [...tensors].reduce(
    (sum, [name, { data }]) => sum + (name.startsWith('state.moments.first.') ? data.length : 0),
    0,
  );
}

/** Of the last epoch, which traces nothing any more. */
function secondsAStep(folder) {
  const epochs = rowsOf(folder).filter(({ type }) => type === 'epoch');
  const [before, last] = epochs.slice(-2);
  return last.seconds / (last.step - before.step);
}

const seconds = (since) => ((performance.now() - since) / 1000).toFixed(1);
const millions = (floats) => `${(floats / 1e6).toFixed(2)} M`;
const megabytes = (floats) => `${((4 * floats) / 1e6).toFixed(1)} MB`;

if (process.argv[2] === '--sum') await sumAsRank(process.argv.slice(3).map(Number));
else await main();
