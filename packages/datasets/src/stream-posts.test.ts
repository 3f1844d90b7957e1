import { setTimeout as wait } from 'node:timers/promises';
import { noiseJpeg } from '@drf/preprocessing/testing';
import { ConfigurationError, createRandom, mapAhead, untilAborted, type Post } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import type { Dataset, PostRecord } from './dataset.js';
import { Ledger, openDataset, streamPosts, type RowError, type StreamOptions } from './index.js';
import { folderWith, pairFiles } from './testing/folders.js';

/** A data set whose posts are made when they are read: `imageBytes` of fresh pixels each. */
function generated(count: number, imageBytes: number, read?: (record: PostRecord) => Promise<Post>): Dataset {
  const records = Array.from({ length: count }, (_, i): PostRecord => ({
    id: String(i),
    label: i % 3,
    image: null,
    text: null,
  }));
  const ledger = new Ledger('generated');
  ledger.keep(count);
  const make = (record: PostRecord): Promise<Post> => {
    const image = { width: imageBytes / 3, height: 1, data: new Uint8Array(imageBytes).fill(1) };
    return Promise.resolve({ id: record.id, label: record.label, image, text: 'text' });
  };
  const unused = (): Promise<never> => Promise.reject(new Error('not used here'));
  const classes = ['a', 'b', 'c'];
  return { name: 'generated', classes, records, ledger, read: read ?? make, readText: unused, contentHash: unused };
}

async function idsOf(dataset: Dataset, options: StreamOptions): Promise<string[][]> {
  const batches: string[][] = [];
  for await (const batch of streamPosts(dataset, dataset.records, options)) batches.push(batch.map((post) => post.id));
  return batches;
}

describe('streamPosts', () => {
  it('gives batches in order, the last one short', async () => {
    expect(await idsOf(generated(7, 3), { batchSize: 3 })).toEqual([['0', '1', '2'], ['3', '4', '5'], ['6']]); // prettier-ignore
    expect(await idsOf(generated(0, 3), { batchSize: 3 })).toEqual([]);
  });

  it('shuffles by seed and epoch', async () => {
    const order = async (seed: number, epoch: number) =>
      (await idsOf(generated(50, 3), { batchSize: 8, shuffle: { random: createRandom(seed), epoch } })).flat();
    const first = await order(1, 0);
    expect(first).not.toEqual(Array.from({ length: 50 }, (_, i) => String(i)));
    expect([...first].sort((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 50 }, (_, i) => String(i)));
    expect(await order(1, 0)).toEqual(first);
    expect(await order(1, 1)).not.toEqual(first);
    expect(await order(2, 0)).not.toEqual(first);
  });

  it('keeps the order when posts are ready out of order, and reads at most `ahead` at a time', async () => {
    let reading = 0;
    let most = 0;
    const dataset = generated(40, 3, async ({ id, label }) => {
      most = Math.max(most, ++reading);
      await wait((Number(id) * 7) % 5);
      reading--;
      return { id, label, image: null, text: id };
    });
    const batches = await idsOf(dataset, { batchSize: 4, ahead: 6 });
    expect(batches.flat()).toEqual(dataset.records.map((record) => record.id));
    expect(most).toBeLessThanOrEqual(6);
    expect(most).toBeGreaterThan(3);
  });

  it('reports posts that cannot be read, fills their place with the next, and goes on', async () => {
    const labels = [1, 2, 3, 4, 5].map((id) => `${id}\tneutral,neutral`).join('\n');
    const jpeg = await noiseJpeg();
    const bad = { 'data/2.jpg': jpeg.subarray(0, jpeg.length / 2), 'data/4.txt': Uint8Array.of(0xff) };
    const root = await folderWith({
      'labelResultAll.txt': labels,
      ...(await pairFiles('data', [1, 2, 3, 4, 5])),
      ...bad,
    });
    const dataset = await openDataset({ name: 'mvsa-single', root, imageSize: 8 });
    const errors: [string, string][] = [];
    const onRowError = (record: PostRecord, error: RowError) => void errors.push([record.id, error.reason]);
    for (let epoch = 0; epoch < 2; epoch++) {
      expect(await idsOf(dataset, { batchSize: 2, onRowError })).toEqual([['1', '3'], ['5']]); // prettier-ignore
    }
    expect(errors.slice(0, 2)).toEqual([['2', 'undecodable image'], ['4', 'undecodable text']]); // prettier-ignore
    expect([dataset.ledger.rows, dataset.ledger.kept]).toEqual([5, 3]);
    expect(dataset.ledger.dropped.map(({ id, reason }) => [id, reason])).toEqual(errors.slice(0, 2));
    expect(dataset.ledger.dropped[0]?.detail).toMatch(/^mvsa-single post 2, image data\/2.jpg expected a whole image/);
  });

  it('does not hide errors that are no fault of a row', async () => {
    const broken = generated(3, 3, () => Promise.reject(new TypeError('a bug')));
    await expect(idsOf(broken, { batchSize: 2 })).rejects.toThrow('a bug');
  });

  it('stops reading when the loop is left', async () => {
    let reads = 0;
    const dataset = generated(1000, 3, async ({ id, label }) => {
      reads++;
      return { id, label, image: null, text: id };
    });
    for await (const batch of streamPosts(dataset, dataset.records, { batchSize: 4, ahead: 8 })) {
      if (batch[0]?.id === '8') break;
    }
    expect(reads).toBeLessThan(24);
  });

  it('refuses sizes out of range by name', async () => {
    await expect(idsOf(generated(1, 3), { batchSize: 0 })).rejects.toThrow(ConfigurationError);
    await expect(idsOf(generated(1, 3), { batchSize: 1, ahead: 0.5 })).rejects.toThrow(
      'streamPosts option ahead expected a whole number from 1, received 0.5',
    );
  });

  it("stays under 1 GiB for TumEmo's 195,265 posts, here of 64 × 64 pixels (2.4 GB in all)", async () => {
    const dataset = generated(195_265, 64 * 64 * 3);
    let [posts, peak] = [0, 0];
    const shuffle = { random: createRandom(1), epoch: 0 };
    for await (const batch of streamPosts(dataset, dataset.records, { batchSize: 64, shuffle })) {
      posts += batch.length;
      peak = Math.max(peak, process.memoryUsage.rss());
    }
    expect(posts).toBe(195_265);
    expect(peak).toBeLessThan(1024 ** 3);
  });
});

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

  it('has nothing under way any more when it ends, by an error or because the loop is left', async () => {
    let underWay = 0;
    const task = async (item: number): Promise<number> => {
      underWay += 1;
      await wait(item);
      underWay -= 1;
      if (item === 1) throw new Error('item 1');
      return item;
    };
    const leave = async (items: readonly number[]): Promise<void> => {
      for await (const _ of mapAhead(items, 3, task)) return;
    };
    await expect(leave([1, 30, 40])).rejects.toThrow('item 1');
    expect(underWay).toBe(0);
    await leave([0, 30, 40]);
    expect(underWay).toBe(0);
  });

  it('gives the results before the place where the items themselves break off', async () => {
    const results: number[] = [];
    const run = async (): Promise<void> => {
      const items = (function* () {
        yield* [0, 1];
        throw new Error('no more items');
      })();
      for await (const value of mapAhead(items, 4, async (item) => item)) results.push(value);
    };
    await expect(run()).rejects.toThrow('no more items');
    expect(results).toEqual([0, 1]);
  });
});

describe('untilAborted', () => {
  const all = async (items: Iterable<number> | AsyncIterable<number>, signal: AbortSignal): Promise<number[]> => {
    const taken: number[] = [];
    for await (const item of untilAborted(items, signal)) taken.push(item);
    return taken;
  };

  it('gives all items on, and what they throw', async () => {
    const { signal } = new AbortController();
    expect(await all([1, 2, 3], signal)).toEqual([1, 2, 3]);
    const broken = (async function* () {
      yield 1;
      throw new Error('broken');
    })();
    await expect(all(broken, signal)).rejects.toThrow('broken');
  });

  it('ends by the signal while the next item does not come', async () => {
    let returned = 0;
    const waiting: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise(() => undefined),
        return: () => (returned++, new Promise(() => undefined)),
      }),
    };
    await expect(all(waiting, AbortSignal.timeout(5))).rejects.toThrow(/timeout/);
    expect(returned).toBe(1);
  });

  it('closes what it reads when it is left', async () => {
    let closed = false;
    const endless = (async function* () {
      try {
        for (;;) yield 1;
      } finally {
        closed = true;
      }
    })();
    for await (const item of untilAborted(endless, new AbortController().signal)) if (item === 1) break;
    expect(closed).toBe(true);
  });
});
