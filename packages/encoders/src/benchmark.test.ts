import { expect, it } from 'vitest';
import { benchmarkEncoder } from './benchmark.js';
import { countingEncoder } from './testing/fake-encoder.js';

it('encodes everything once to warm up and once a round, in batches of the preferred size', async () => {
  const sizes: number[] = [];
  const encoder = countingEncoder();
  const watched = {
    ...encoder,
    preferredBatch: 4,
    encode: (texts: readonly string[]) => (sizes.push(texts.length), encoder.encode(texts)),
  };
  const result = await benchmarkEncoder(watched, ['a', 'b', 'c', 'd', 'e', 'f'], 2);
  expect(sizes).toEqual([4, 2, 4, 2, 4, 2]);
  expect(result).toMatchObject({ encoder: 'counting:v1', contents: 6 });
  expect(result.perSecond / (6 / result.seconds)).toBeCloseTo(1, 6);
  await expect(benchmarkEncoder(watched, [])).rejects.toThrow(
    'benchmarkEncoder expected at least one content and one round, received 0 contents and 3 rounds',
  );
});
