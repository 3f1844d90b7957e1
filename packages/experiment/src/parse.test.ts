import { describe, expect, it } from 'vitest';
import { createProgram } from '@drf/terminal';
import { addConfigFlags, mergeConfig, optionsOfEffect, overridesFrom, parseExperiment, type Effect } from './index.js';
import { leavesOf } from './schema.js';

const minimal = { name: 'mine', dataset: { name: 'embedded' } };

describe('parseExperiment', () => {
  it('fills in the defaults of the paper', () => {
    const config = parseExperiment(minimal, 'mine.json');
    expect(config.training).toMatchObject({ epochs: 30, batchSize: 16, learningRate: 2e-4, encoderLearningRate: 2e-5 });
    expect(config.model).toMatchObject({ dim: 768, queueCapacity: 512, featureNorm: 'none' });
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
      /option "method" expected one of drf, drf-paper, drf-adapted, concatenation.*, received "drff"/,
    );
    expect(() => parseExperiment(undefined, 'x')).toThrow('expected a value of type object');
  });

  it('checks options together', () => {
    expect(() => parseExperiment({ ...minimal, dataset: { name: 'posts' } }, 'x')).toThrow(/--dataset.file posts.csv/);
    expect(() => parseExperiment({ ...minimal, dataset: { name: 'tumemo' } }, 'x')).toThrow(/--dataset.root DIR/);
    const shares = { name: 'embedded', trainFraction: 0.9, valFraction: 0.2 };
    expect(() => parseExperiment({ ...minimal, dataset: shares }, 'x')).toThrow(/at most 1/);
  });

  it('trains encoders of Hugging Face only, and low-rank updates alone', () => {
    const trained = { trainable: { text: true }, text: 'huggingface:folder' };
    const parse = (encoders: object, training = {}) =>
      parseExperiment({ ...minimal, encoders, training }, 'x').encoders;
    expect(parse({ ...trained, lora: { rank: 4 } })).toMatchObject({
      trainable: { image: false, text: true },
      trainableLayers: { image: 'all', text: 'all' },
      lora: { rank: 4, alpha: 16, targets: ['query', 'value'] },
    });
    expect(parse({ ...trained, trainableLayers: { text: 2 } }).trainableLayers.text).toBe(2);
    expect(() => parse({ trainable: { image: true } })).toThrow(
      'x expected encoders.image "huggingface:<hub id or folder>" with encoders.trainable.image, received "embedded"; name such an encoder, or leave it frozen',
    );
    expect(() => parse({ lora: { rank: 4 } })).toThrow('x expected a trained encoder with encoders.lora.rank');
    expect(() => parse({ ...trained, lora: { rank: 4 }, trainableLayers: { text: 2 } })).toThrow(
      'expected encoders.trainableLayers.text "all" with encoders.lora.rank, received 2',
    );
    expect(() => parse({ ...trained, trainableLayers: { text: 'some' } })).toThrow(
      'option "encoders.trainableLayers.text" expected a whole number from 0, or "all", received "some"',
    );
    expect(parse({ image: 'huggingface:some/vit', imageSize: 112 }).imageSize).toBe(112);
    expect(() => parse({ imageSize: 112 })).toThrow(
      'x expected encoders.image "huggingface:<hub id or folder>", a vision transformer, with encoders.imageSize, received "embedded"',
    );
    expect(parse({ text: 'some/bert', precision: { text: 'int8' } }).precision).toEqual({ text: 'int8' });
    expect(() => parse({ precision: { image: 'int8' } })).toThrow(
      'x expected encoders.image "huggingface:<hub id or folder>", frozen, with encoders.precision.image "int8", received "embedded"; name such an encoder, or leave the precision out',
    );
    expect(() => parse({ ...trained, precision: { text: 'int8' } })).toThrow(
      /frozen, with encoders\.precision\.text "int8", received ".*", trained; /,
    );
    expect(() => parse({ precision: { text: 'int4' } })).toThrow(/"encoders\.precision\.text" expected .*int8/);
    expect(() => parse(trained, { accumulate: 17 })).toThrow('training.accumulate of at most the batch size, 16');
    expect(() => parse({ ...trained, lora: { rnk: 4 } })).toThrow('did you mean "rank"?');
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

  it('take lists, and a number or "all"', () => {
    const argv = ['--encoders.text-lengths', '16,32', '--encoders.lora.targets', 'query, up'];
    expect(parse(...argv, '--encoders.trainable-layers.text', '3', '--encoders.trainable-layers.image', 'all')).toEqual(
      {
        encoders: {
          textLengths: [16, 32],
          lora: { targets: ['query', 'up'] },
          trainableLayers: { text: 3, image: 'all' },
        },
      },
    );
  });

  it('take labels as they are written, and new names as JSON or as pairs', () => {
    const labels = (...argv: string[]) => (parse(...argv)['dataset'] as { labels: object }).labels;
    expect(labels('--dataset.labels.drop', 'nan, 3', '--dataset.labels.ignore-case', 'true')).toEqual({
      drop: ['nan', '3'],
      ignoreCase: true,
    });
    const rename = { Positive: 'positive', '1': 'neg' };
    expect(labels('--dataset.labels.rename', JSON.stringify(rename))).toEqual({ rename });
    expect(labels('--dataset.labels.rename', 'Positive=positive,1=neg')).toEqual({ rename });
    expect(() => parse('--dataset.labels.rename', 'Positive')).toThrow(
      'Option --dataset.labels.rename expected JSON, such as {"a":"b"}, or pairs, such as a=b,c=d, received "Positive"',
    );
    expect(parse('--dataset.split-sizes', '27,6,7')).toEqual({ dataset: { splitSizes: [27, 6, 7] } });
  });

  it('say their defaults in help, in groups', () => {
    const help = addConfigFlags(createProgram('demo', 'demo', []))
      .helpInformation()
      .replaceAll(/\s+/g, ' ');
    expect(help).toContain('passes over the training posts (default: 30)');
    expect(help).toContain('departs from it (default: drf)');
    expect(help).toMatch(
      /Posts and splits: .*--dataset.name.*Encoders: .*--encoders.image.*Training: .*--training.epochs/,
    );
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

describe('effects of options', () => {
  const config = parseExperiment({ name: 'x', dataset: { name: 'posts', file: 'a.csv', limit: 3 }, seed: 4 }, 'x');
  const names = (effect: Effect): string[] => optionsOfEffect(config, effect).map(([name]) => name);

  it('are said by every option', () => {
    const effects = ['none', 'place', 'data', 'result'];
    const silent = leavesOf().filter(({ schema }) => !effects.includes(String(schema.meta()?.effect)));
    expect(silent.map(({ path }) => path.join('.'))).toEqual([]);
  });

  it('tell what decides results from what decides the posts and from what decides nothing', () => {
    expect(names('none')).toEqual(['engine', 'name', 'training.checkpointFrozen', 'training.keepCheckpoints']);
    expect(names('place')).toEqual(['dataset.file', 'dataset.splitSeed']);
    expect(names('data')).toEqual(['dataset.limit', 'dataset.trainFraction', 'dataset.valFraction']);
    expect(optionsOfEffect(config, 'result')).toEqual(
      expect.arrayContaining([
        ['dataset.imageSize', 224],
        ['method', 'drf'],
        ['model.ablations.pairExpansion', true],
        ['seed', 4],
      ]),
    );
  });

  it('take records apart', () => {
    const weighed = { ...config, training: { ...config.training, classWeights: { rare: 3 } } };
    expect(optionsOfEffect(weighed, 'result')).toContainEqual(['training.classWeights.rare', 3]);
  });
});
