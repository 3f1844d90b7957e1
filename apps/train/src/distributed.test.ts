// The command in processes that a real mpirun started. Skipped where there is none.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasMpirun } from '@drf/collective/testing';

const LIMIT = { timeout: 300_000 };
const from = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
/** Of the last build, since nine of them start. */
const TRAIN = [process.execPath, from('../dist/main.js')];

interface Ended {
  readonly code: unknown;
  readonly stdout: string;
  readonly stderr: string;
}

function run(words: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const [program, ...values] = words as [string, ...string[]];
    execFile(program, values, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, stdout, stderr });
    });
  });
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-mpirun-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The smallest training there is. */
const words = (name: string, ...others: string[]): string[] => [
  'quickstart-smoke',
  ...['--method', 'concatenation', '--training.epochs', '2', '--training.batch-size', '4', '--dataset.limit', '8'],
  ...['--cache', join(folder, 'cache'), '--out', join(folder, name), '--quiet', ...others],
];

const losses = async (name: string): Promise<number[]> =>
  (await readFile(join(folder, name, 'metrics.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { total?: number; trainLoss?: number })
    .map(({ total, trainLoss }) => (total ?? trainLoss) as number);

it('says how to start where nothing of MPI did', LIMIT, async () => {
  const { code, stderr } = await run([...TRAIN, ...words('alone', '--distributed', 'mpi')]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/to be started by mpirun or srun/);
});

describe.skipIf(!hasMpirun())('by mpirun', () => {
  const mpirun = ['mpirun', '--allow-run-as-root', '--oversubscribe', '-n'];

  it('trains what one process trains, stops, and goes on in one process', LIMIT, async () => {
    const one = await run([...TRAIN, ...words('one', '--training.accumulate', '2')]);
    expect(one.stderr).toBe('');
    const stopped = await run([...mpirun, '2', ...TRAIN, ...words('two', '--distributed', 'mpi', '--stop-after', '1')]);
    expect(stopped).toMatchObject({ code: 0, stderr: '' });
    expect(stopped.stdout.match(/Go on with/g)).toHaveLength(1); // rank 0 alone speaks
    const { code } = await run([
      ...TRAIN,
      '--resume',
      join(folder, 'two'),
      '--cache',
      join(folder, 'cache'),
      '--quiet',
    ]);
    expect(code).toBe(0);
    const [expected, received] = [await losses('one'), await losses('two')];
    expect(received).toHaveLength(expected.length);
    received.forEach((loss, i) => expect(loss).toBeCloseTo(expected[i] as number, 5));
  });

  it('names a rank with other options, once, and ends all with exit code 1', LIMIT, async () => {
    const ranks = ['7', '8'].map((seed) => ['1', ...TRAIN, ...words('other', '--distributed', 'mpi', '--seed', seed)]);
    const { code, stderr } = await run([...mpirun, ...(ranks[0] as string[]), ':', '-n', ...(ranks[1] as string[])]);
    expect(code).toBe(1);
    expect(stderr.match(/Rank 1 expected the configuration of rank 0/g)).toHaveLength(1);
  });
});
