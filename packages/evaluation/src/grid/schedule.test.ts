import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineExperiment, parseForMethod } from '@drf/experiment';
import { expect, it } from 'vitest';
import type { StoredCell } from '../store/records.js';
import { chooseSchedules, nameUnder, readSchedules, schedulesOf, under, type Schedule } from './schedule.js';

const file = defineExperiment({ name: 'tiny', dataset: { name: 'embedded' }, training: { epochs: 3 } });
const schedules = schedulesOf([1e-4, 3e-4], [2]);
const wanted = { experiment: 'tiny', methods: ['drf', 'hsan'], schedules, seeds: [0, 1] };

const cell = (method: string, schedule: Schedule, seed: number, accuracy: number, weightedF1 = 0.5): StoredCell =>
  ({ experiment: nameUnder('tiny', schedule), method, seed, accuracy, weightedF1, posts: 40 }) as StoredCell;

/** drf is better at the larger rate on average, hsan equal in accuracy and better in F1 at the smaller. */
const [slow, fast] = schedules as [Schedule, Schedule];
const cells = [
  ...[0.5, 0.6].map((value, seed) => cell('drf', slow, seed, value)),
  ...[0.9, 0.4].map((value, seed) => cell('drf', fast, seed, value)),
  ...[0.6, 0.6].map((value, seed) => cell('hsan', slow, seed, value, 0.55)),
  ...[0.5, 0.7].map((value, seed) => cell('hsan', fast, seed, value, 0.5)),
];

it('chooses by the mean over seeds, then by F1', () => {
  const { methods, tried, posts } = chooseSchedules(cells, wanted);
  expect(methods).toEqual({
    drf: { training: { learningRate: 3e-4, epochs: 2 } },
    hsan: { training: { learningRate: 1e-4, epochs: 2 } },
  });
  expect(tried).toHaveLength(4);
  expect(tried[1]?.accuracy).toBeCloseTo(0.65, 12);
  expect(posts).toBe(40);
});

it('takes the earlier of equals, and chooses nothing where a training is missing', () => {
  const equal = cells.map((one) => ({ ...one, accuracy: 0.5, weightedF1: 0.5 }));
  expect(chooseSchedules(equal, wanted).methods.drf?.training?.learningRate).toBe(1e-4);
  expect(() => chooseSchedules(cells.slice(1), wanted)).toThrow(
    'expected a training of drf by tiny+rate0.0001+epochs2, seed 0, received none; run the same command again',
  );
});

it('lays a schedule over an experiment for every method alike', () => {
  const config = under(
    (overrides) => parseForMethod(file, [overrides], 'test'),
    fast,
  )({ method: 'drf-adapted', seed: 4, training: { disruption: 'none' }, model: { ablations: {} } });
  expect(config).toMatchObject({ name: 'tiny+rate0.0003+epochs2', method: 'drf-adapted', seed: 4 });
  expect(config.training).toMatchObject({ learningRate: 3e-4, epochs: 2, disruption: 'none' });
});

it('is read back, and another file is refused', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'drf-schedules-'));
  try {
    const path = join(folder, 'schedules.json');
    const written = chooseSchedules(cells, wanted);
    await writeFile(path, JSON.stringify(written));
    const read = await readSchedules(path);
    expect(read).toEqual({ methods: written.methods });
    expect(parseForMethod(file, [read, { method: 'hsan' }], 'test').training.learningRate).toBe(1e-4);
    await writeFile(path, '{"methods": {}}');
    await expect(readSchedules(path)).rejects.toThrow(/expected a file of format drf-schedules\/1.*pnpm eval schedule/);
  } finally {
    await rm(folder, { recursive: true });
  }
});
