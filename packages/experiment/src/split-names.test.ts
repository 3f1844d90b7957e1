import { describe, expect, it } from 'vitest';
import { splitNameOf } from './split-names.js';

describe('splitNameOf', () => {
  it.each([
    [
      'train',
      ['train', 'Training', 'TRAIN', 'tweets_train', 'my-train', 'train-00000-of-00001', 'train_1', 'train set'],
    ],
    ['val', ['val', 'valid', 'Validation', 'dev', 'dev_few1', 'development']],
    ['test', ['test', 'testing', 'Test ', 'holdout', 'hold-out', 'held out', 'posts.test']],
    [undefined, ['', 'A', 'trainee', 'contest', 'unlabeled', 'train+val', '1', 'latest']],
  ])('%s', (split, names) => {
    expect(names.map(splitNameOf)).toEqual(names.map(() => split));
  });
});
