import { parseExperiment } from '@drf/experiment';
import { describe, expect, it } from 'vitest';
import {
  assertSpace,
  defaultSpace,
  describeDimension,
  haltonPoint,
  isInSpace,
  overridesOf,
  parseSearch,
  sampleValues,
  valuesOf,
} from './space.js';

const config = (options: object = {}) =>
  parseExperiment({ name: 'tiny', dataset: { name: 'embedded' }, ...options }, 'tiny');
const nothing = (): boolean => false;

describe('parseSearch', () => {
  it.each([
    ['training.learning-rate=1e-5..1e-3:log', { kind: 'range', low: 1e-5, high: 1e-3, scale: 'log', isWhole: false }],
    ['training.learningRate = 0.1..0.5', { kind: 'range', low: 0.1, high: 0.5, scale: 'linear', isWhole: false }],
    ['training.epochs=5..20', { kind: 'range', low: 5, high: 20, scale: 'linear', isWhole: true }],
    ['model.dim=64,128,256,64', { kind: 'choices', values: [64, 128, 256] }],
    ['model.standardize=true,false', { kind: 'choices', values: [true, false] }],
    ['method=drf,concatenation', { kind: 'choices', values: ['drf', 'concatenation'] }],
  ])('reads %s', (text, expected) => {
    expect(parseSearch(text)).toMatchObject(expected);
  });

  it.each([
    ['training.lerning-rate=1..2', 'did you mean "training.learning-rate"?'],
    ['epohs=1..2', 'did you mean "training.epochs"?'],
    ['training.learning-rate', 'such as training.learning-rate=1e-5..1e-3:log'],
    ['training.learning-rate=0..1', 'received 0 ('],
    ['model.dim=64,0', 'values that --model.dim takes, received 0'],
    ['model.dim=64..1e9', 'values that --model.dim takes'],
    ['training.epochs=1.5..3', 'values that --training.epochs takes, received 1.5'],
    ['training.weight-decay=0..1:log', 'expected a positive LOW with :log'],
    ['training.weight-decay=1..0', 'a range LOW..HIGH with LOW below HIGH'],
    ['training.weight-decay=0..1:lg', 'expected :log, :linear or nothing behind a range'],
    ['method=drf..mvan', 'it takes no ranges'],
    ['method=drf,drff', 'values that --method takes'],
    ['model.dim=64', 'give it as a flag: --model.dim 64'],
    ['model.dim=a,b', 'expected a number'],
    ['seed=0,1', 'a lucky seed is no better option'],
    ['dataset.image-size=64,224', 'other posts are not the same question'],
    ['training.selection=best-loss,last', 'it is what scores mean'],
    ['training.disruption=none,random:0.5:C', 'validation posts are disrupted by it, too'],
    ['training.keep-checkpoints=1,2', 'expected an option that decides how well a method learns'],
  ])('refuses %s', (text, message) => {
    expect(() => parseSearch(text)).toThrow(message);
  });
});

it('refuses spaces that contradict themselves', () => {
  const [rate, width] = [parseSearch('training.learning-rate=0.1..1'), parseSearch('model.dim=64,128')];
  assertSpace([rate, width], nothing);
  expect(() => assertSpace([rate, rate], nothing)).toThrow('training.learning-rate twice');
  expect(() => assertSpace([rate], (path) => path.join() === 'training,learningRate')).toThrow(
    'not set by a flag, too',
  );
  expect(() => assertSpace([], nothing)).toThrow('all are set by flags');
});

describe('the usual space', () => {
  it('lies around the options of the method, and leaves given ones alone', () => {
    const named = (options: object): string[] => defaultSpace(config(options), nothing).map(({ name }) => name);
    expect(named({})).toEqual(['training.learning-rate', 'training.epochs', 'model.dim', 'training.weight-decay']);
    expect(named({ method: 'mvan' })).toContain('compared.width');
    const text = { trainable: { text: true }, text: 'huggingface:some/bert' };
    expect(named({ encoders: text })).toContain('training.encoder-learning-rate');
    const space = defaultSpace(config({ training: { epochs: 1, learningRate: 3e-4 } }), (path) => path[0] === 'model');
    expect(space.map(({ name }) => name)).not.toContain('model.dim');
    expect(space.slice(0, 2).map(describeDimension)).toEqual(['0.00003 to 0.003, by its logarithm', '1, 2']);
    expect(isInSpace(space, valuesOf(space, config({ training: { epochs: 1, learningRate: 3e-4 } })))).toBe(true);
    expect(isInSpace(space, valuesOf(space, config({ training: { epochs: 3, learningRate: 3e-4 } })))).toBe(false);
  });
});

describe('sampling', () => {
  it('fills each axis evenly: of the first places of base 2, one lies in each part of the same size', () => {
    for (const [axis, base] of [2, 3, 5].entries()) {
      const count = base ** 3;
      for (const seed of [0, 7]) {
        const parts = Array.from({ length: count }, (_, i) => Math.floor(haltonPoint(i, axis, seed) * count));
        expect([...parts].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
      }
    }
  });

  it('gives the same values for the same seed, and others for another', () => {
    expect(haltonPoint(5, 1, 3)).toBe(haltonPoint(5, 1, 3));
    expect(haltonPoint(5, 1, 3)).not.toBe(haltonPoint(5, 1, 4));
  });

  it('stays in its ranges, in values of three digits', () => {
    const space = [
      'training.learning-rate=1e-5..1e-3:log',
      'training.epochs=2..4',
      'model.dim=64..1024:log',
      'training.weight-decay=0..0.01',
      'model.standardize=true,false',
    ].map(parseSearch);
    const trials = Array.from({ length: 200 }, (_, i) => sampleValues(space, i, 1));
    expect(trials.every((values) => isInSpace(space, values))).toBe(true);
    const of = (name: string): Set<unknown> => new Set(trials.map((values) => values[name]));
    expect(of('training.epochs')).toEqual(new Set([2, 3, 4]));
    expect(of('model.standardize')).toEqual(new Set([true, false]));
    for (const value of of('training.learning-rate')) expect(String(value)).toMatch(/^[\d.]+(e-\d+)?$/);
    const rates = trials.map((values) => values['training.learning-rate'] as number);
    expect(rates.filter((rate) => rate < 1e-4).length / rates.length).toBeCloseTo(0.5, 1);
    expect(rates.every((rate) => Number(rate.toPrecision(3)) === rate)).toBe(true);
    expect(overridesOf({ 'training.learning-rate': 0.1, 'training.epochs': 2, 'model.dim': 64 })).toEqual({
      training: { learningRate: 0.1, epochs: 2 },
      model: { dim: 64 },
    });
  });
});
