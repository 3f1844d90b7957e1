/** Training, validation and test posts. */
export const SPLIT_NAMES = ['train', 'val', 'test'] as const;
/** One of {@link SPLIT_NAMES}. */
export type SplitName = (typeof SPLIT_NAMES)[number];

const SPELLINGS: Readonly<Record<SplitName, readonly string[]>> = {
  train: ['train', 'training', 'trn'],
  val: ['val', 'valid', 'validation', 'validate', 'dev', 'devel', 'development'],
  test: ['test', 'testing', 'tst', 'holdout', 'heldout'],
};

/**
 * A split by its common spellings, in any case, also as a part of a longer name ("tweets_train", "Hold-out",
 * "test-00000-of-00001").
 * @returns nothing for a name that is of no split, or of two ("train+val")
 */
export function splitNameOf(name: string): SplitName | undefined {
  const words = name
    .toLowerCase()
    .replace(/h[eo]ld[-_. ]?out/g, 'holdout')
    .split(/[^a-z]+/);
  const named = SPLIT_NAMES.filter((split) => words.some((word) => SPELLINGS[split].includes(word)));
  return named.length === 1 ? named[0] : undefined;
}
