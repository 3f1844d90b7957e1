import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nameAfter, ownConfig, ownExperiment } from './own-data.js';

describe('nameAfter', () => {
  it('makes a run’s name of any file’s', () => {
    expect(['a/my.csv', 'my posts (2).csv', 'Übung.jsonl', '日本.csv', '..csv', 'x'.repeat(90)].map(nameAfter)).toEqual([
      'my',
      'my-posts-2',
      'Ubung',
      'posts',
      'posts',
      'x'.repeat(60),
    ]); // prettier-ignore
  });
});

describe('ownExperiment', () => {
  it('takes more passes over fewer posts, and a wider model for many', () => {
    const options = [20, 160, 480, 5000].map(ownExperiment);
    expect(options.map(({ training }) => training?.epochs)).toEqual([20, 20, 10, 8]);
    expect(options.map(({ model }) => model?.dim)).toEqual([128, 128, 128, 256]);
    expect(options.every(({ model }) => model?.standardize)).toBe(true);
  });
});

describe('ownConfig', () => {
  it('needs nothing but a file', () => {
    const config = ownConfig({ files: ['posts.csv'], overrides: {} }, 160);
    expect(config).toMatchObject({
      name: 'posts',
      method: 'drf',
      dataset: { name: 'posts', file: resolve('posts.csv') },
      model: { dim: 128, standardize: true },
      training: { epochs: 20 },
    });
  });

  it('leaves places in object storage as they are', () => {
    const files = ['s3://bucket/posts/train.csv', 'test.csv'];
    const { name, dataset } = ownConfig({ files, overrides: {} }, 160);
    expect([name, dataset.file]).toEqual(['train', [files[0], resolve('test.csv')]]);
  });

  it('lets flags and a named experiment decide', () => {
    const overrides = { method: 'concatenation', training: { epochs: 3 }, dataset: { columns: { label: 'mood' } } };
    const experiment = { name: 'other', dataset: { name: 'mvsa-single' }, model: { dim: 7 } };
    const config = ownConfig({ files: ['train.csv', 'test.csv'], experiment, overrides }, 160);
    expect(config).toMatchObject({ name: 'train', method: 'concatenation', model: { dim: 7 }, training: { epochs: 3 } }); // prettier-ignore
    expect(config.dataset).toMatchObject({
      name: 'posts',
      file: [resolve('train.csv'), resolve('test.csv')],
      columns: { label: 'mood' },
    });
  });

  it('refuses another data set beside it', () => {
    expect(() => ownConfig({ files: ['a.csv'], overrides: { dataset: { name: 'tumemo' } } }, 0)).toThrow(
      '--data expected no other data set beside it, received --dataset.name tumemo; leave one of them out',
    );
    expect(() => ownConfig({ files: ['a.csv'], overrides: { dataset: { file: 'b.csv' } } }, 0)).toThrow('received --dataset.file b.csv'); // prettier-ignore
  });
});
