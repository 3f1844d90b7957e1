import { describe, expect, it } from 'vitest';
import { createProgram } from '@drf/terminal';
import { addConfigFlags, mergeConfig, overridesFrom, parseExperiment } from './index.js';

const minimal = { name: 'mine', dataset: { name: 'embedded' } };

describe('parseExperiment', () => {
  it('fills in the defaults of the paper', () => {
    const config = parseExperiment(minimal, 'mine.json');
    expect(config.training).toMatchObject({ epochs: 30, batchSize: 16, learningRate: 2e-4, encoderLearningRate: 2e-5 });
    expect(config.model).toMatchObject({ dim: 768, queueCapacity: 512, weighting: 'normalized' });
    expect(Object.values(config.model.ablations)).toEqual([true, true, true, true, true]);
  });

  it('names an unknown option with the nearest right one', () => {
    expect(() => parseExperiment({ ...minimal, training: { epoch: 3 } }, 'mine.json')).toThrow(
      'mine.json expected known options in "training", received "training.epoch"; did you mean "epochs"?',
    );
    expect(() => parseExperiment({ ...minimal, sed: 3 }, 'mine.json')).toThrow('received "sed"; did you mean "seed"?');
  });

  it('names a value of the wrong type, out of range, or unknown', () => {
    const withTraining = (training: unknown): unknown => ({ ...minimal, training });
    expect(() => parseExperiment(withTraining({ epochs: '3' }), 'x')).toThrow(
      'x, option "training.epochs" expected a value of type number, received "3"',
    );
    expect(() => parseExperiment(withTraining({ epochs: 0 }), 'x')).toThrow('expected at least 1, received 0');
    expect(() => parseExperiment(withTraining({ learningRate: Number.NaN }), 'x')).toThrow(
      'option "training.learningRate"',
    );
    expect(() => parseExperiment({ ...minimal, method: 'drff' }, 'x')).toThrow(
      'option "method" expected one of drf, concatenation, received "drff"',
    );
    expect(() => parseExperiment(undefined, 'x')).toThrow('expected a value of type object');
  });

  it('checks options together', () => {
    expect(() => parseExperiment({ ...minimal, dataset: { name: 'posts' } }, 'x')).toThrow(/--dataset.file posts.csv/);
    expect(() => parseExperiment({ ...minimal, dataset: { name: 'tumemo' } }, 'x')).toThrow(/--dataset.root DIR/);
    const shares = { name: 'embedded', trainFraction: 0.9, valFraction: 0.2 };
    expect(() => parseExperiment({ ...minimal, dataset: shares }, 'x')).toThrow(/at most 1/);
  });

  it('refuses a disruption that it does not know', () => {
    expect(() => parseExperiment({ ...minimal, training: { disruption: 'random:2:C' } }, 'x')).toThrow(
      /a ratio from 0 to 1, received "2"/,
    );
  });
});

describe('flags', () => {
  const parse = (...argv: string[]): Record<string, unknown> => {
    const program = addConfigFlags(createProgram('demo', 'demo', []))
      .exitOverride()
      .configureOutput({ writeErr: () => undefined });
    return overridesFrom(program.parse(argv, { from: 'user' }).opts());
  };

  it('become a nested, typed object', () => {
    const argv = ['--training.batch-size', '8', '--model.ablations.pair-expansion', 'false', '--method', 'drf'];
    expect(parse(...argv)).toEqual({
      training: { batchSize: 8 },
      model: { ablations: { pairExpansion: false } },
      method: 'drf',
    });
  });

  it('of the wrong type are refused by name', () => {
    expect(() => parse('--training.batch-size', 'many')).toThrow(
      'Option --training.batch-size expected a number, received "many"',
    );
    expect(() => parse('--model.ablations.pair-expansion', 'off')).toThrow('expected true or false, received "off"');
    expect(() => parse('--training.batchsize', '8')).toThrow(/Did you mean --training.batch-size/);
  });

  it('lie over an experiment group by group', () => {
    expect(mergeConfig({ a: 1, b: { c: 2, d: 3 } }, { b: { d: 4 } })).toEqual({ a: 1, b: { c: 2, d: 4 } });
  });
});
