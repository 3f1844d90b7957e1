import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseStrategy } from '@drf/disruption';
import { parseExperiment, type ExperimentConfig } from '@drf/experiment';
import type { Storage } from '@drf/files';
import { openStorage } from '@drf/storage';
import { publishPlan, type Plan, type PublishedPlan, type Unit } from '@drf/units';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { trainKind } from './train-kind.js';
import { EncodedSets, type ExperimentFacts, type FeatureTask } from './tasks.js';
import { GRID_CODE, gridUnits, publishOnce, removeDone, type GridSettings } from './units.js';

let folder: string;
let storage: Storage;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-units-'));
  storage = await openStorage(folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const FACTS: ExperimentFacts = {
  encoders: { image: 'an image encoder', text: 'a text encoder' },
  engine: 'compiled',
  trainingData: 'hash of other posts',
  evaluatedData: 'hash of other posts',
  split: 'test',
  posts: { train: 1, val: 1, evaluated: 1 },
  notes: [],
};
const unit = (name: string): Unit => ({
  address: name,
  output: `units/${name}.json`,
  stage: 0,
  label: name,
  input: {},
});
const planOf = (names: readonly string[], settings: unknown = { split: null }): Plan => ({
  kind: 'train',
  code: GRID_CODE,
  resources: { cores: 1, gpus: 0, memoryBytes: 1e9 },
  settings,
  units: names.map(unit),
});
const done = (name: string): Promise<boolean> => storage.write(`units/${name}.json`, '{}');
const plans = (): Promise<string[]> => readdir(join(folder, 'plans')).catch(() => []);

it('has intact features done first, then those of each seed, whoever is faster', async () => {
  const config = (seed: number, fold = 1): ExperimentConfig =>
    parseExperiment({ name: 'tiny', seed, dataset: { name: 'embedded', folds: 2, fold } }, 'tiny');
  const facts = { ...FACTS, trainingData: 'of a fold' };
  const name = (fold: number): string => `tiny, fold ${fold} of 2`;
  const sets = await EncodedSets.open(folder, new Map([1, 2].map((fold) => [name(fold), facts])));
  const set = (seed: number, strategy: string, fold = 1): FeatureTask => ({
    experiment: 'tiny',
    fold: { fold, folds: 2 },
    config: config(seed, fold),
    strategy: parseStrategy(strategy),
    posts: 'evaluated',
  });
  const tasks = [
    set(0, 'none'),
    set(0, 'fixed:image:C'),
    set(0, 'random:1:C'),
    set(0, 'fixed:image:C', 2),
    set(1, 'none'),
    set(1, 'random:1:C'),
  ];
  const units = gridUnits(tasks, [], sets, folder);
  expect(units.map(({ stage, label }) => [stage, label])).toEqual([
    [0, 'features of tiny, 2 sets of intact posts'],
    [1, 'features of tiny, 3 sets of seed 0'],
    [1, 'features of tiny, 1 set of seed 1'],
  ]);
  expect(new Set(units.map(({ address }) => address)).size).toBe(3);
});

describe('a plan is taken up again', () => {
  it('where the store has taken in what it has more', async () => {
    const { hash } = await publishOnce(storage, planOf(['a', 'b', 'c']));
    await done('a');
    expect((await publishOnce(storage, planOf(['b', 'c']))).hash).toBe(hash);
    expect(await plans()).toHaveLength(1);
  });

  it.each<[string, Plan]>([
    ['not where it has more to do', planOf(['a'])],
    ['not where it has less', planOf(['a', 'b', 'c', 'd'])],
    ['not with other settings', planOf(['a', 'b', 'c'], { split: 'val' })],
  ])('%s', async (_, plan) => {
    const { hash } = await publishOnce(storage, planOf(['a', 'b', 'c']));
    expect((await publishOnce(storage, plan)).hash).not.toBe(hash);
  });

  it('also beside files that are no plans', async () => {
    await mkdir(join(folder, 'plans'), { recursive: true });
    await writeFile(join(folder, 'plans', `${'0'.repeat(64)}.json`), 'cut sh');
    const { hash } = await publishOnce(storage, planOf(['a']));
    expect((await publishOnce(storage, planOf(['a']))).hash).toBe(hash);
  });
});

it('removes what was taken in, and leaves a plan alone of which something is to do', async () => {
  const over = await publishPlan(storage, planOf(['a', 'b']));
  const other = await publishPlan(storage, planOf(['b', 'c']));
  await storage.write(`plans/${over.hash}.slurm/1_2.log`, 'what an engine keeps');
  await Promise.all([done('a'), done('b')]);
  await removeDone(storage, new Set(['units/a.json', 'units/b.json']));
  expect((await plans()).filter((name) => name.endsWith('.json'))).toEqual([`${other.hash}.json`]);
  expect(await readdir(folder)).toEqual(['plans']);
  await removeDone(storage, new Set(['units/b.json', 'units/c.json']));
  expect(await readdir(folder)).toEqual([]);
});

describe('a machine', () => {
  const config = parseExperiment(
    { name: 'tiny', engine: 'compiled', dataset: { name: 'embedded', imageSize: 32, limit: 9 } },
    'tiny',
  );
  const settingsOf = (cache: string): GridSettings => ({
    cache,
    workingFolder: process.cwd(),
    split: null,
    experiments: { tiny: { config, facts: FACTS } },
  });
  const task = { experiment: 'tiny', fold: null, config, strategy: { kind: 'none' }, posts: 'evaluated' };
  const publish = (cache: string): Promise<PublishedPlan> =>
    publishPlan(storage, { ...planOf([], settingsOf(cache)), units: [{ ...unit('a'), input: { encode: [task] } }] });

  it('that misses a folder says which', async () => {
    const cache = join(folder, 'of-another-machine');
    await expect(trainKind.open({ plan: await publish(cache), threads: 1 })).rejects.toThrow(
      `Folder ${cache} of the feature cache (--cache) expected a folder that all machines share, received none on this machine`,
    );
  });

  it('that has other posts than were planned does nothing', { timeout: 120_000 }, async () => {
    const plan = await publish(folder);
    const worker = await trainKind.open({ plan, threads: 1 });
    const report = (): void => undefined;
    await expect(worker.perform(plan.units[0] as Unit, { plan, threads: 1, report })).rejects.toThrow(
      /^Experiment tiny expected encoders .*trainingData "hash of other posts".* on this machine; give all machines/,
    );
    expect((await readdir(folder)).sort()).toEqual(['plans']);
    await worker.close();
  });
});
