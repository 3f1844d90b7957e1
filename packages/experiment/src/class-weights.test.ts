import { createRandom, hostTensor } from '@drf/tensor';
import { Command } from '@drf/terminal';
import { describe, expect, it } from 'vitest';
import { addConfigFlags, createMethod, measureClassWeights, overridesFrom, parseExperiment } from './index.js';

const classes = ['rare', 'often', 'with space'];
const config = (classWeights?: unknown, method = 'drf') =>
  parseExperiment({ name: 'x', method, dataset: { name: 'embedded' }, model: { dim: 4 }, training: { classWeights } }, 'x'); // prettier-ignore

describe('class weights of an experiment', () => {
  it('are none, balanced over the training posts, or as named', () => {
    const labels = [0, 1, 1, 1];
    expect(measureClassWeights(config(), classes, labels)).toBeUndefined();
    expect(measureClassWeights(config('none'), classes, labels)).toBeUndefined();
    expect([...(measureClassWeights(config('balanced'), classes, labels) ?? [])]).toEqual([2, Math.fround(2 / 3), 1]);
    expect([...(measureClassWeights(config({ rare: 3, 'with space': 0.5 }), classes, labels) ?? [])]).toEqual([3, 1, 0.5]); // prettier-ignore
  });

  it('are parameters of the method that were not there before; a checkpoint brings its own', () => {
    const shapes = { imageDim: 3, textDim: 2, classes: 3 };
    const parameters = (weights: unknown, given?: Float32Array) =>
      createMethod(config(weights, 'concatenation'), { ...shapes, ...(given ? { classWeights: given } : {}) }).initialParameters(createRandom(1)); // prettier-ignore
    expect(parameters(undefined).fixed).toBeUndefined();
    expect(parameters('none')).toEqual(parameters(undefined));
    expect(parameters('balanced').fixed?.classWeights).toEqual(hostTensor([1, 1, 1], [3]));
    expect(parameters('balanced', Float32Array.of(2, 1, 1)).fixed?.classWeights).toEqual(hostTensor([2, 1, 1], [3]));
  });

  it('come from a flag, as a word or as JSON', () => {
    const flag = (value: string) =>
      overridesFrom(addConfigFlags(new Command()).parse(['--training.class-weights', value], { from: 'user' }).opts());
    expect(flag('balanced')).toEqual({ training: { classWeights: 'balanced' } });
    expect(flag('{"a b": 3}')).toEqual({ training: { classWeights: { 'a b': 3 } } });
    expect(() => flag('{oops')).toThrow('Option --training.class-weights expected a JSON object, such as {"rare": 3}, received "{oops"'); // prettier-ignore
  });

  it('are refused by name', () => {
    const refused = 'x, option "training.classWeights" expected none, balanced, or positive numbers by class, such as {"rare": 3}'; // prettier-ignore
    expect(() => config('even')).toThrow(`${refused}, received "even"`);
    expect(() => config({ rare: -1 })).toThrow(
      'x, option "training.classWeights.rare" expected at least 0 (exclusive), received -1',
    );
    expect(() => measureClassWeights(config({ rar: 2 }), classes, [0])).toThrow(
      'training.classWeights expected names of classes, received "rar"; did you mean "rare"?',
    );
  });
});
