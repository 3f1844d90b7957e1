import { ConfigurationError } from '@drf/tensor';

/** Lengths that texts are padded to unless told otherwise, before the model's own limit. */
const DEFAULT_LENGTHS = [16, 32, 48, 64, 96, 128];

/**
 * The lengths that batches of texts are padded to, ascending; the last one is where texts are cut. Default: 16, 32, 48,
 * 64, 96, 128 and the model's limit.
 * @param limit tokens after which texts are cut by default
 * @param longest most tokens that the model reads
 * @throws ConfigurationError for lengths that are not whole numbers from 2 to the longest
 */
export function textLengths(limit: number, longest: number, given?: readonly number[]): readonly number[] {
  if (given === undefined) return [...DEFAULT_LENGTHS.filter((length) => length < limit), limit];
  const fits = given.length > 0 && given.every((each) => Number.isInteger(each) && each >= 2 && each <= longest);
  if (fits) return [...new Set(given)].sort((a, b) => a - b);
  throw new ConfigurationError({
    subject: 'openEncoder, textLengths,',
    expected: `whole numbers from 2 to ${longest}, the tokens that the model reads`,
    received: JSON.stringify(given),
    remedy: 'leave them out for lengths that suit posts',
  });
}

/** The smallest of the lengths that holds so many tokens. */
export function lengthFor(tokens: number, lengths: readonly number[]): number {
  return lengths.find((length) => length >= tokens) ?? (lengths.at(-1) as number);
}
