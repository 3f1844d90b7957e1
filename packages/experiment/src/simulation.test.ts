import { describe, expect, it } from 'vitest';
import { hostTensor, type Host, type Modality } from '@drf/tensor';
import type { EncodedBatchInputs } from '@drf/model';
import {
  memoryRows,
  parseExperiment,
  Simulation,
  simulationOptions,
  type FeatureRows,
  type FeatureSet,
} from './index.js';

const POSTS = 400;
const DRAWS = 3;
const filled = (value: number, count = POSTS): Float32Array => new Float32Array(count).fill(value);

/** Image outputs are 1, text outputs 2; corrupted ones 10 and 20, and 1 more for each draw. */
function makeSet(intact: { image?: Float32Array; text?: Float32Array } = {}): FeatureSet {
  const rows = (value: number, dim: number): FeatureRows =>
    memoryRows(hostTensor(filled(value, POSTS * dim), [POSTS, dim]));
  return {
    ids: Array.from({ length: POSTS }, (_, i) => `post-${i}`),
    labels: new Int32Array(POSTS),
    image: { rows: rows(1, 3), available: filled(1), intact: intact.image ?? filled(1) },
    text: { rows: rows(2, 2), available: filled(1), intact: intact.text ?? filled(1) },
  };
}

function makeSimulation(share: number, discard = 0.5, seed = 1): Simulation {
  const versions = (value: number, dim: number): FeatureRows[] =>
    Array.from({ length: DRAWS }, (_, draw) => memoryRows(hostTensor(filled(value + draw, POSTS * dim), [POSTS, dim])));
  const corrupted = (value: number, dim: number) => ({ corrupted: versions(value, dim).map((rows) => ({ rows })) });
  return new Simulation({ share, discard, draws: DRAWS }, { image: corrupted(10, 3), text: corrupted(20, 2) }, seed);
}

const ALL = Array.from({ length: POSTS }, (_, i) => i);
const flags = (batch: Host<EncodedBatchInputs>, modality: Modality, name: 'intact' | 'available'): number[] => [
  ...(batch[modality][name]?.data ?? []),
];
const valuesOf = (batch: Host<EncodedBatchInputs>, modality: Modality): number[] => {
  const inputs = batch[modality];
  return 'features' in inputs ? [...inputs.features.data] : [];
};
const first = (batch: Host<EncodedBatchInputs>, modality: 'image' | 'text', dim: number): number[] =>
  valuesOf(batch, modality).filter((_, i) => i % dim === 0);

describe('Simulation', () => {
  it('disrupts about the share of the posts, one modality each, half corrupted and half discarded', async () => {
    const { batch } = await makeSimulation(0.5).gather(makeSet(), ALL, 0);
    const states = ALL.map((i) => {
      const image = [
        flags(batch, 'image', 'intact')[i],
        flags(batch, 'image', 'available')[i],
        first(batch, 'image', 3)[i],
      ];
      const text = [
        flags(batch, 'text', 'intact')[i],
        flags(batch, 'text', 'available')[i],
        first(batch, 'text', 2)[i],
      ];
      return `${image.join()} ${text.join()}`;
    });
    const count = (test: RegExp): number => states.filter((state) => test.test(state)).length;
    const [untouched, imageGone, textGone] = [count(/^1,1,1 1,1,2$/), count(/^0,0,0 1,1,2$/), count(/^1,1,1 0,0,0$/)];
    const [imageCorrupted, textCorrupted] = [count(/^0,1,1[012] 1,1,2$/), count(/^1,1,1 0,1,2[012]$/)];
    expect(untouched + imageGone + textGone + imageCorrupted + textCorrupted).toBe(POSTS);
    expect(Math.abs(untouched - 200)).toBeLessThan(45); // 4.5 deviations
    for (const each of [imageGone, textGone, imageCorrupted, textCorrupted])
      expect(Math.abs(each - 50)).toBeLessThan(30);
    expect(new Set(states.filter((state) => /^0,1,1/.test(state))).size).toBe(DRAWS);
  });

  it('replaces whole rows', async () => {
    const { batch } = await makeSimulation(1, 0).gather(makeSet(), ALL, 0);
    const rows = Array.from({ length: POSTS }, (_, i) => valuesOf(batch, 'image').slice(3 * i, 3 * i + 3));
    for (const row of rows) expect(new Set(row).size).toBe(1);
  });

  it('depends on seed, epoch and post only, not on the batch', async () => {
    const batchOf = async (indices: number[], epoch: number, seed = 1): Promise<number[]> =>
      first((await makeSimulation(0.5, 0.5, seed).gather(makeSet(), indices, epoch)).batch, 'image', 3);
    const whole = await batchOf(ALL, 2);
    expect(await batchOf([7, 300, 41], 2)).toEqual([7, 300, 41].map((i) => whole[i]));
    expect(await batchOf(ALL, 3)).not.toEqual(whole);
    expect(await batchOf(ALL, 2, 5)).not.toEqual(whole);
  });

  it('leaves alone what is disrupted already, so that one modality of each post stays intact', async () => {
    const set = makeSet({ image: filled(0) });
    const { batch } = await makeSimulation(1).gather(set, ALL, 0);
    expect(first(batch, 'image', 3)).toEqual([...filled(1)]);
    expect(first(batch, 'text', 2)).toEqual([...filled(2)]);
  });
});

describe('simulationOptions', () => {
  const optionsOf = (method: string, training: object = {}, model: object = {}) =>
    simulationOptions(parseExperiment({ name: 'a', method, dataset: { name: 'embedded' }, model, training }, 'test'));

  it('simulate for drf and whatever has discriminants, unless told otherwise', () => {
    expect(optionsOf('drf')).toEqual({ share: 0.5, discard: 0.5, draws: 2 });
    expect(optionsOf('drf', { disruption: 'random:0.6:C' }, { discriminants: 0.5 }).share).toBe(0.5);
    expect(optionsOf('drf', { disruption: 'random:0.6:C' }).share).toBe(0); // embedded encoders: no discriminants
    expect(optionsOf('drf', { disruption: 'random:0.6:C' }, { discriminants: 0 }).share).toBe(0);
    expect(optionsOf('drf', {}, { discriminants: 0 }).share).toBe(0.5); // training is intact
    expect(optionsOf('mvan', { disruption: 'random:1:D' }, { discriminants: 0.5 }).share).toBe(0.5);
    expect(optionsOf('concatenation', { simulation: { share: 0 } }, { discriminants: 0.5 }).share).toBe(0);
    expect(optionsOf('drf-paper').share).toBe(0);
    expect(optionsOf('concatenation').share).toBe(0);
    expect(optionsOf('concatenation', { simulation: { share: 0.25 } }).share).toBe(0.25);
    expect(optionsOf('drf', { simulation: { share: 0 } }).share).toBe(0);
    expect(optionsOf('mvan').share).toBe(0);
    expect(optionsOf('mvan', { simulation: { share: 0.25 } }).share).toBe(0.25);
  });

  it('simulate other corruptions than the paper’s when they are named', () => {
    const corruptions = ['jpeg@3', 'typos'];
    expect(optionsOf('concatenation', { simulation: { share: 1, corruptions } }).corruptions).toEqual(corruptions);
    const refused = (name: string) => () => optionsOf('drf', { simulation: { corruptions: [name] } });
    expect(refused('typo@2')).toThrow('training.simulation.corruptions of gaussian_noise, ');
    expect(refused('typo@2')).toThrow('did you mean "typos"?');
    expect(refused('typso@2')).toThrow('received "typso@2"; did you mean "typos"?');
    expect(refused('typos@7')).toThrow('Corruption "typos@7" expected');
    expect(() => new Simulation({ share: 1, discard: 0, draws: 1, corruptions: ['C'] }, {}, 1)).toThrow(
      'Corruption "C" expected one of gaussian_noise',
    );
    expect(refused('typos@7')).toThrow('expected a severity from 1 to 5 after "typos@"');
  });
});

describe('Simulation.versions', () => {
  it('are all posts by each draw, of features', async () => {
    const set = makeSet();
    const versions = makeSimulation(0.5).versions(set, 'text');
    const values = await Promise.all(versions.map(async ({ rows }) => (rows as FeatureRows).gather([5, 0])));
    expect(values.map(({ data }) => [...data])).toEqual([20, 21, 22].map((value) => [value, value, value, value]));
    expect(versions.every(({ available }) => available === set.text.available)).toBe(true);
  });
});

describe('simulated corruptions', () => {
  it('are drawn as often as each other', async () => {
    const options = { share: 1, discard: 0, draws: 2, corruptions: ['jpeg@3', 'typos', 'occlusion'] };
    const versions = [30, 31, 32, 33].map((value) => ({
      rows: memoryRows(hostTensor(filled(value, POSTS * 3), [POSTS, 3])),
    }));
    const texts = [40, 41].map((value) => ({ rows: memoryRows(hostTensor(filled(value, POSTS * 2), [POSTS, 2])) }));
    const simulation = new Simulation(options, { image: { corrupted: versions }, text: { corrupted: texts } }, 1);
    const { batch } = await simulation.gather(makeSet(), ALL, 0);
    const seen = first(batch, 'image', 3).filter((value) => value >= 30);
    for (const value of [30, 31, 32, 33]) {
      expect(Math.abs(seen.filter((own) => own === value).length - seen.length / 4)).toBeLessThan(30);
    }
    expect(new Set(first(batch, 'text', 2).filter((value) => value >= 40))).toEqual(new Set([40, 41]));
  });
});
