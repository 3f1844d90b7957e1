import { describe, expect, it } from 'vitest';
import { gathered } from './gather.js';

/** Something that takes items together, when it is let. */
function taker(most: number) {
  const batches: number[][] = [];
  const open: (() => void)[] = [];
  const take = gathered(most, async (items: readonly number[]) => {
    batches.push([...items]);
    await new Promise<void>((resolve) => open.push(resolve));
    if (items.includes(13)) throw new Error(`13 among ${items.length}`);
    return items.map((item) => 2 * item);
  });
  /** Lets the oldest batch go on, and what follows from it happen. */
  const next = async (): Promise<void> => {
    open.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { batches, take, next };
}

describe('calls that overlap', () => {
  it('go together where they come in one go', async () => {
    const { batches, take, next } = taker(3);
    const results = Promise.all([1, 2].map(take));
    await next();
    await next();
    expect(await results).toEqual([2, 4]);
    expect(batches).toEqual([[1, 2]]);
  });

  it('go together once one of three batches has ended', async () => {
    const { batches, take, next } = taker(3);
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    const results: Promise<number>[] = [];
    for (const item of [1, 2, 3, 4, 5, 6, 7, 8]) {
      results.push(take(item));
      await turn();
    }
    expect(batches).toEqual([[1], [2], [3]]);
    await next();
    expect(batches.slice(3)).toEqual([[4, 5, 6]]);
    await next();
    expect(batches.slice(4)).toEqual([[7, 8]]);
    for (let i = 0; i < 3; i++) await next();
    expect(batches.slice(5)).toEqual([]);
    expect(await Promise.all(results)).toEqual([2, 4, 6, 8, 10, 12, 14, 16]);
  });

  it('go one after the other where a batch has one', async () => {
    const { batches, take, next } = taker(1);
    const results = Promise.all([1, 2, 3].map(take));
    for (let i = 1; i < 4; i++) {
      await next();
      expect(batches).toHaveLength(i);
    }
    await next();
    expect(await results).toEqual([2, 4, 6]);
  });

  it('that come alone wait for nobody', async () => {
    const { batches, take, next } = taker(16);
    const one = take(1);
    await next();
    await next();
    expect(await one).toBe(2);
    expect(batches).toEqual([[1]]);
  });

  it('fail each for itself', async () => {
    const { batches, take, next } = taker(16);
    const results = Promise.allSettled([1, 13, 2].map(take));
    for (let i = 0; i < 5; i++) await next();
    expect(await results).toEqual([
      { status: 'fulfilled', value: 2 },
      { status: 'rejected', reason: new Error('13 among 1') },
      { status: 'fulfilled', value: 4 },
    ]);
    expect(batches).toEqual([[1, 13, 2], [1], [13], [2]]);
  });

  it('go together as long as a batch takes two seconds at most', async () => {
    let time = 0;
    let each = 300;
    const batches: number[] = [];
    const run = async (items: readonly number[]) => {
      batches.push(items.length);
      time += each * items.length;
      return items;
    };
    const take = gathered(32, run, () => time);
    await Promise.all(Array.from({ length: 20 }, (_, i) => take(i)));
    expect(batches).toEqual([8, 6, 6]); // eight at first, when nothing is known
    each = 5_000;
    await Promise.all(Array.from({ length: 8 }, (_, i) => take(i)));
    expect(batches.slice(3)).toEqual([6, 1, 1]);
    each = 0;
    await Promise.all(Array.from({ length: 34 }, (_, i) => take(i)));
    expect(batches.slice(6)).toEqual([1, 32, 1]);
  });
});
