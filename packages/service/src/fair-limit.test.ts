import { expect, it } from 'vitest';
import { FairLimit } from './work.js';

it('runs so many at once, and takes clients in turns, each in its order', async () => {
  const limit = new FairLimit(2);
  const started: string[] = [];
  const ends: (() => void)[] = [];
  const run = (client: string, name: string) =>
    limit.run(client, () => {
      started.push(name);
      return new Promise<void>((resolve) => ends.push(resolve));
    });
  const all = ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1'].map((name) => run(name[0] as string, name));
  for (let i = 0; i < all.length; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    expect(started).toHaveLength(Math.min(all.length, i + 2));
    ends.shift()?.();
  }
  await Promise.all(all);
  expect(started).toEqual(['a1', 'a2', 'a3', 'b1', 'c1', 'a4', 'b2']);
});

it('gives the place back when a task fails', async () => {
  const limit = new FairLimit(1);
  await expect(limit.run('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await limit.run('a', async () => 'yes')).toBe('yes');
});
