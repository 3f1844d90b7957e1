import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDataset } from '@drf/datasets';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDataProgram } from './program.js';
import { writeSample } from './sample-command.js';

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'drf-sample-'))));
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('data sample', () => {
  it('writes posts that open as one’s own, the same for the same seed, some without image or text', async () => {
    const read = async (name: string) => {
      const out = join(folder, name);
      const { table, labels } = await writeSample({ out, posts: 30, seed: 3, missing: 0.2 });
      const dataset = await openDataset({ name: 'posts', file: table, imageSize: 16 });
      return { labels, dataset, posts: await Promise.all(dataset.records.map((record) => dataset.read(record))) };
    };
    const first = await read('first');
    expect(await read('second')).toMatchObject({ labels: first.labels, posts: first.posts });
    expect(first.dataset.ledger.toJSON()).toMatchObject({ rows: 30, kept: 30, notes: [] });
    expect(Object.keys(first.labels)).toEqual(['positive', 'neutral', 'negative']);
    const lacks = (name: 'image' | 'text'): number => first.posts.filter((post) => post[name] === null).length;
    expect([lacks('image') > 0, lacks('text') > 0, lacks('image') + lacks('text') < 25]).toEqual([true, true, true]);
    expect(await readdir(folder)).toEqual(['first', 'second']);
  });

  it('says what to do next, and never writes over anything', async () => {
    const printed: string[] = [];
    const argv = ['sample', '--out', join(folder, 'third'), '--posts', '10', '--quiet'];
    await createDataProgram((text) => void printed.push(text)).parseAsync(argv, { from: 'user' });
    expect(printed.join('')).toMatch(/^10 posts \(positive \d+, neutral \d+, negative \d+\): .*posts.csv\nTrain: pnpm train --data /); // prettier-ignore
    await expect(writeSample({ out: join(folder, 'third'), posts: 10, seed: 1, missing: 0 })).rejects.toThrow(
      /third expected a folder that does not exist yet, or is empty, received one with images, posts.csv; choose another name/,
    );
  });
});
