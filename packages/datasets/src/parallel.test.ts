import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { mapAhead } from './stream-posts.js';

describe('mapAhead', () => {
  it('keeps the order, whatever finishes first', async () => {
    const results: number[] = [];
    for await (const value of mapAhead([30, 5, 20, 1, 10], 3, (time) => wait(time, time))) results.push(value);
    expect(results).toEqual([30, 5, 20, 1, 10]);
  });

  it('has at most `ahead` items under way or waiting, and uses them all', async () => {
    let started = 0;
    let taken = 0;
    let most = 0;
    const task = async (item: number): Promise<number> => {
      most = Math.max(most, ++started - taken);
      await wait(1);
      return item;
    };
    for await (const item of mapAhead(Array(50).keys(), 4, task)) {
      expect(item).toBe(taken++);
      await wait(1); // a slow reader
    }
    expect([started, taken, most]).toEqual([50, 50, 4]);
  });

  it('throws at the place of the item that failed, and leaves no rejection unhandled', async () => {
    const results: number[] = [];
    const run = async (): Promise<void> => {
      const task = async (item: number): Promise<number> => {
        if (item >= 2) throw new Error(`item ${item}`);
        await wait(5);
        return item;
      };
      for await (const value of mapAhead([0, 1, 2, 3], 4, task)) results.push(value);
    };
    await expect(run()).rejects.toThrow('item 2');
    expect(results).toEqual([0, 1]);
  });
});
