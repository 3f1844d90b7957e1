import { hostTensor, type Host } from '@drf/tensor';
import { MAXIMUM_TOKENS } from './sentence-parameters.js';
import type { SentenceInputs } from './sentence-encoder.js';

/** Lengths that texts are padded to: few, as a compiled engine makes a program for each. */
export const BUCKETS = [16, 32, 64, MAXIMUM_TOKENS] as const;

/** The shortest bucket that holds so many tokens. */
export function bucketOf(tokens: number): number {
  return BUCKETS.find((length) => tokens <= length) ?? MAXIMUM_TOKENS;
}

/** Places of token lists by bucket, shortest first; within a bucket in their order. */
export function groupByBucket(tokenLists: readonly (readonly number[])[]): Map<number, number[]> {
  const groups = new Map<number, number[]>(BUCKETS.map((length) => [length, []]));
  tokenLists.forEach((tokens, i) => groups.get(bucketOf(tokens.length))?.push(i));
  for (const [length, places] of groups) if (places.length === 0) groups.delete(length);
  return groups;
}

/** Token lists padded to a length: tokens int32 [texts, length] and mask float32 [texts, length]. */
export function padTokens(tokenLists: readonly (readonly number[])[], length: number): Host<SentenceInputs> {
  const shape = [tokenLists.length, length];
  const tokens = new Int32Array(tokenLists.length * length);
  const mask = new Float32Array(tokenLists.length * length);
  tokenLists.forEach((list, row) => {
    tokens.set(list, row * length);
    mask.fill(1, row * length, row * length + list.length);
  });
  return { tokens: hostTensor(tokens, shape), mask: hostTensor(mask, shape) };
}
