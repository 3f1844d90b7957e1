import type { Collective } from './collective.js';
import { sumOverRanks } from './collective.js';

/** What every rank of every kind of collective must find; throws what is not so. */
export async function checkCollective(own: Collective): Promise<void> {
  const { rank, size } = own;
  const equal = (what: string, received: ArrayLike<number>, expected: ArrayLike<number>): void => {
    const [got, want] = [Array.from(received).join(' '), Array.from(expected).join(' ')];
    if (got !== want) throw new Error(`rank ${rank} of ${size}, ${what}: expected ${want}, received ${got}`);
  };
  const ranks = Array.from({ length: size }, (_, i) => i);
  const sumOf = (value: (each: number) => number): number => ranks.reduce((sum, each) => sum + value(each), 0);

  const buffer = Float32Array.from({ length: 7 }, (_, i) => i + 10 * rank);
  await own.allReduceSum(buffer);
  equal(
    'sum',
    buffer,
    Array.from({ length: 7 }, (_, i) => sumOf((each) => i + 10 * each)),
  );
  await own.allReduceSum(new Float32Array(0));

  const gathered = await own.allGather(new Uint8Array(3 * rank).fill(rank));
  equal('lengths', gathered.map(({ length }) => length), ranks.map((each) => 3 * each)); // prettier-ignore
  equal('gathered', gathered.flatMap((bytes) => [...bytes]), ranks.flatMap((each) => Array<number>(3 * each).fill(each))); // prettier-ignore
  equal('gathered nothing', (await own.allGather(new Uint8Array(0))).map(({ length }) => length), ranks.map(() => 0)); // prettier-ignore

  const told = await own.broadcast(rank === 0 ? Uint8Array.of(1, 2, 3, 4, 5) : new Uint8Array(rank));
  equal('broadcast', told, [1, 2, 3, 4, 5]);
  equal('broadcast of nothing', await own.broadcast(new Uint8Array(rank)), []);

  // calls that were not waited for keep their order
  const first = Float32Array.of(rank);
  const [, bytes] = await Promise.all([own.allReduceSum(first), own.allGather(Uint8Array.of(rank)), own.barrier()]);
  equal('first', first, [sumOf((each) => each)]);
  equal('second', bytes.flatMap((each) => [...each]), ranks); // prettier-ignore

  const arrays = [3, 0, 5, 1].map((length) => Float32Array.from({ length }, (_, i) => i + rank));
  for (const bucket of [1, 2, 4, 100]) {
    const sums = await sumOverRanks(own, arrays, bucket);
    equal(`sums in buckets of ${bucket}`, sums.flatMap((each) => [...each]), [3, 0, 5, 1].flatMap((length) => Array.from({ length }, (_, i) => sumOf((each) => i + each)))); // prettier-ignore
    equal('their lengths', sums.map(({ length }) => length), [3, 0, 5, 1]); // prettier-ignore
  }
  equal('what was given', arrays[2] as Float32Array, [0, 1, 2, 3, 4].map((i) => i + rank)); // prettier-ignore
}
