import { parseExperiment } from '@drf/experiment';
import { describe, expect, it } from 'vitest';
import { evaluatedDataset, shownName } from './evaluated-dataset.js';

const trained = parseExperiment(
  {
    name: 'x',
    dataset: {
      name: 'posts',
      file: 'old.csv',
      columns: { text: 'body', label: 'mood', split: 'part' },
      labels: { ignoreCase: true },
    },
  },
  'test',
).dataset;

describe('evaluatedDataset', () => {
  it('is the run’s own, where it is now', () => {
    const { dataset, isOwn } = evaluatedDataset(trained, { file: 'there/old.csv' });
    expect([isOwn, dataset.file, dataset.columns]).toEqual([true, 'there/old.csv', trained.columns]);
    expect(shownName(dataset, isOwn)).toBe('posts');
  });

  it('reads new posts as the run’s own were read, under their own name', () => {
    const { dataset, isOwn } = evaluatedDataset(trained, {
      name: 'posts',
      file: ['a/new.csv'],
      columns: { text: 't' },
    });
    expect(isOwn).toBe(false);
    expect(dataset.columns).toEqual({ text: 't', image: undefined, label: 'mood' });
    expect(dataset.labels).toEqual({ ignoreCase: true });
    expect(shownName(dataset, isOwn)).toBe('new.csv');
  });

  it('keeps the encoding of the run’s own posts alone, where none is named', () => {
    const encoded = { ...trained, encoding: 'windows-1251' } as const;
    const other = { name: 'posts', file: 'new.csv' } as const;
    expect(evaluatedDataset(encoded).dataset.encoding).toBe('windows-1251');
    expect(evaluatedDataset(encoded, { encoding: 'auto' }).dataset.encoding).toBe('auto');
    expect(evaluatedDataset(encoded, other).dataset.encoding).toBeUndefined();
    expect(evaluatedDataset(encoded, { ...other, encoding: 'gb18030' }).dataset.encoding).toBe('gb18030');
  });

  it('needs a file', () => {
    expect(() => evaluatedDataset(trained, { name: 'posts' })).toThrow(
      '--dataset posts expected its file, received none; name it: --data FILE',
    );
  });
});
