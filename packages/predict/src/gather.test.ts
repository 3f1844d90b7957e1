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
  it('go together where they come in one go, and while a batch is under way', async () => {
    const { batches, take, next } = taker(3);
    const results = Promise.all([1, 2].map(take));
    await next();
    await next();
    expect(await results).toEqual([2, 4]);
    expect(batches).toEqual([[1, 2]]);
    const more = [take(3)];
    await new Promise((resolve) => setImmediate(resolve));
    more.push(...[4, 5, 6, 7, 8].map(take));
    for (let i = 0; i < 6; i++) await next();
    expect(await Promise.all(more)).toEqual([6, 8, 10, 12, 14, 16]);
    expect(batches.slice(1)).toEqual([[3], [4, 5, 6], [7, 8]]);
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
});
