import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatStrategy, parseStrategy } from '@drf/disruption';
import { parseExperiment, RunFolder } from '@drf/experiment';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CLEAN } from '../cells.js';
import { ResultStore } from '../store/result-store.js';
import { Workspace } from '../workspace.js';
import { describeExperiment, performTraining, type Surroundings } from './perform.js';
import { remainingTasks, RESULT_VERSION } from './tasks.js';

/** What a training gives in each cell of the test below. */
interface Golden {
  /** Of all posts and classes, to six digits. */
  readonly probabilities: readonly (readonly number[])[];
  /** Hashes of their bits, by the processor's vector instructions, which ONNX Runtime chooses its kernels by; those recorded so far. */
  readonly bits: Readonly<Record<string, readonly string[]>>;
}

/** By version of results, then by share of discriminants. */
const golden = JSON.parse(readFileSync(new URL('./perform.golden.json', import.meta.url), 'utf8')) as Readonly<
  Record<string, Readonly<Record<string, Golden>>>
>;

/** What the last bits of another processor's kernels may come to; a fault that matters comes to more. */
const OTHER_KERNELS = 0.01;

function vectorInstructions(): string {
  const flags = existsSync('/proc/cpuinfo') ? /^flags.*$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[0] : undefined;
  return ['avx512f', 'avx2'].find((name) => flags?.split(' ').includes(name) === true) ?? 'other';
}

function bitsOf({ buffer, byteOffset, byteLength }: Float32Array): string {
  return createHash('sha256')
    .update(new Uint8Array(buffer, byteOffset, byteLength))
    .digest('hex')
    .slice(0, 16);
}

let folder: string;
let surroundings: Surroundings;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-perform-'));
  surroundings = {
    workspace: new Workspace({ threads: 1, featureBytes: 1e8 }),
    setting: {
      folder,
      cache: join(folder, 'cache'),
      split: null,
      versions: { node: '', platform: '', packages: {}, git: null },
    },
    report: () => undefined,
  };
});
afterAll(async () => {
  await surroundings.workspace.dispose();
  await rm(folder, { recursive: true, force: true });
});

it.each([0, 0.5])(
  'gives the results of its version to the bit, and stores them: discriminants %d',
  { timeout: 120_000 },
  async (discriminants) => {
    const trainedOn = parseStrategy('random:0.6:C+D');
    const config = parseExperiment(
      {
        name: 'golden',
        seed: 3,
        engine: 'compiled',
        dataset: { name: 'embedded', imageSize: 64, limit: 12 },
        model: { dim: 8, queueCapacity: 16, gaussianRank: 4, gateHidden: 4, discriminants },
        training: { epochs: 2, batchSize: 4, learningRate: 1e-2, disruption: formatStrategy(trainedOn) },
      },
      'golden experiment',
    );
    const planned = { experiment: 'golden', fold: null, seed: 3, method: 'drf', without: null, config };
    const testedOn = [CLEAN, parseStrategy('fixed:image:C'), parseStrategy('fixed:text:D'), trainedOn];
    const facts = new Map([['golden', await describeExperiment(config, surroundings)]]);
    const [task, ...others] = remainingTasks(
      [{ ...planned, trainedOn, testedOn, keepFeatures: true }],
      facts,
      new Set(),
    );
    if (task === undefined) throw new Error('no task');
    expect(others).toEqual([]);
    const training = await performTraining(task, surroundings);
    const kernels = vectorInstructions();
    const received: Golden = {
      probabilities: training.cells.map((cell) => Array.from(cell.probabilities, (value) => Number(value.toFixed(6)))),
      bits: { [kernels]: training.cells.map(({ probabilities }) => bitsOf(probabilities)) },
    };
    const expected = golden[RESULT_VERSION]?.[discriminants];
    const remedy = `see RESULT_VERSION for when to raise it; perform.golden.json then has ${JSON.stringify(received)}`;
    const bits = expected?.bits[kernels];
    if (bits === undefined) {
      const largest = received.probabilities.flatMap((cell, i) =>
        cell.map((value, j) => Math.abs(value - (expected?.probabilities[i]?.[j] ?? NaN))),
      );
      expect(Math.max(...largest), remedy).toBeLessThan(OTHER_KERNELS);
    } else expect(received.bits[kernels], remedy).toEqual(bits);

    const store = new ResultStore(':memory:', 'write');
    store.add(training);
    expect(store.cells).toMatchObject(
      testedOn.map((own) => ({ trainedOn, testedOn: own, fold: null, seed: 3, experiment: 'golden', posts: 12 })),
    );
    const random = store.cells[3] as (typeof store.cells)[number];
    expect(store.features(random).length).toBeGreaterThan(0);
    const [{ densities } = {}] = training.cells;
    for (const name of ['image', 'text', 'recoveredImage', 'recoveredText'] as const) {
      expect(densities?.[name]?.length, `densities of ${name}`).toBe(12);
    }
    expect(remainingTasks([{ ...planned, trainedOn, testedOn, keepFeatures: true }], facts, store.known(RESULT_VERSION))).toEqual([]); // prettier-ignore
    expect(training.memoryBytes).toBeGreaterThan(0);
    const run = await RunFolder.open(join(folder, task.folder));
    const epochs = (await run.readMetrics()).filter((row) => row.type === 'epoch');
    const seconds = epochs.reduce((sum, row) => sum + row.seconds, 0);
    expect(seconds).toBeGreaterThan(0);
    const again = await performTraining(task, surroundings); // the run is there
    expect(again).toMatchObject({ cells: training.cells, seconds, memoryBytes: null });
    store.close();
  },
);
