import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseStrategy } from '@drf/disruption';
import { parseExperiment, type ExperimentConfig } from '@drf/experiment';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { EncodedSets, type ExperimentFacts, type FactsByName, type FeatureTask } from './tasks.js';

const config = (options: object = {}): ExperimentConfig =>
  parseExperiment({ name: 'tiny', dataset: { name: 'embedded' }, ...options }, 'tiny');
const TASK: FeatureTask = {
  experiment: 'tiny',
  fold: null,
  config: config(),
  strategy: parseStrategy('random:0.6:C'),
  posts: 'training',
};
const FACTS: ExperimentFacts = {
  encoders: { image: 'an image encoder', text: 'a text encoder' },
  engine: 'compiled',
  trainingData: 'hash of the training posts',
  evaluatedData: 'hash of the evaluated posts',
  split: 'val',
  posts: { train: 1, val: 1, evaluated: 1 },
  notes: [],
};
const knowing = (facts: Partial<ExperimentFacts> = {}): FactsByName => new Map([['tiny', { ...FACTS, ...facts }]]);

let cache: string;
beforeEach(async () => void (cache = await mkdtemp(join(tmpdir(), 'drf-encoded-sets-'))));
afterEach(() => rm(cache, { recursive: true, force: true }));

it('is remembered by the next program, and forgotten with the cache', async () => {
  const before = await EncodedSets.open(cache, knowing());
  expect(before.has(TASK)).toBe(false);
  await before.add(TASK);
  expect(before.has(TASK)).toBe(true);
  expect((await EncodedSets.open(cache, knowing())).has(TASK)).toBe(true);
  await rm(cache, { recursive: true });
  expect((await EncodedSets.open(cache, knowing())).has(TASK)).toBe(false);
});

it.each<[string, Partial<FeatureTask>, Partial<ExperimentFacts>]>([
  ['other posts', {}, { trainingData: 'another hash' }],
  ['the evaluated posts', { posts: 'evaluated' }, {}],
  ['another disruption', { strategy: parseStrategy('random:0.6:D') }, {}],
  ['another seed', { config: config({ seed: 1 }) }, {}],
  ['tokens beside features', { config: config({ method: 'hsan' }) }, {}],
  ['another encoder', {}, { encoders: { ...FACTS.encoders, text: 'a longer one' } }],
])('does not count for %s', async (_, task, facts) => {
  await (await EncodedSets.open(cache, knowing())).add(TASK);
  expect((await EncodedSets.open(cache, knowing(facts))).has({ ...TASK, ...task })).toBe(false);
});

it('counts for another experiment and method that read the same rows', async () => {
  const sets = await EncodedSets.open(cache, new Map([...knowing(), ['other', FACTS]]));
  await sets.add(TASK);
  expect(sets.has({ ...TASK, experiment: 'other', config: config({ method: 'concatenation' }) })).toBe(true);
});
