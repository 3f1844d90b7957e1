import { describe, expect, it } from 'vitest';
import { looksWhole } from '@drf/preprocessing';
import { noiseJpeg, pngBomb, solidImage } from '@drf/preprocessing/testing';
import { openDataset } from '../open.js';
import { folderWith, pairFiles, smallJpeg } from '../testing/folders.js';
import { countNames, inspectDataset, summarize } from './inspect-dataset.js';

async function folder(): Promise<string> {
  const labels = [1, 2, 3, 4, 5, 6].map((id) => `${id}\t${id % 2 === 0 ? 'neutral,neutral' : 'positive,neutral'}`);
  const whole = await noiseJpeg();
  const files = {
    'data/3.jpg': whole.subarray(0, whole.length - 40),
    'data/4.jpg': await pngBomb(50_000, 50_000),
    'data/5.txt': Uint8Array.of(0x61, 0xff),
    'data/6.jpg': await smallJpeg(1), // the image of post 1 again
    'data/6.txt': 'what?? is 1',
  };
  return folderWith({
    'labelResultAll.txt': labels.join('\n'),
    ...(await pairFiles('data', [1, 2, 3, 4, 5, 6])),
    ...files,
  });
}

describe('inspectDataset', () => {
  it.each(['headers', 'pixels'] as const)(
    'finds cut-off, huge and undecodable content by %s and summarizes the rest',
    async (check) => {
      const dataset = await openDataset({ name: 'mvsa-single', root: await folder() });
      const progress: number[] = [];
      const inspection = await inspectDataset(dataset, { check, onProgress: (done) => void progress.push(done) });
      expect(progress.at(-1)).toBe(6);
      expect(inspection.posts).toBe(3);
      expect(inspection.ledger).toMatchObject({ rows: 6, kept: 3, dropped: 3 });
      expect(inspection.ledger.reasons.map(({ reason, ids }) => [reason, ids])).toEqual([
        ['undecodable image', ['3']],
        ['undecodable text', ['5']],
        ['image too large', ['4']],
      ]);
      expect(inspection.classes).toEqual({ positive: 1, neutral: 2, negative: 0 });
      expect(inspection.text).toMatchObject({
        present: 3,
        missing: 0,
        withLostEmoji: 1,
        words: { minimum: 3, maximum: 3 },
      });
      expect(inspection.image).toMatchObject({
        present: 3,
        width: { mean: 16 },
        height: { mean: 12 },
        formats: { jpeg: 3 },
      });
      expect(inspection.duplicates.images.groups[0]?.members.map((member) => member.id)).toEqual(['1', '6']);
      expect(inspection.duplicates.texts.groups).toEqual([]);
      expect(JSON.parse(JSON.stringify(inspection))).toEqual(inspection);
    },
  );

  it('reports on given splits, or on those of the data', async () => {
    const dataset = await openDataset({ name: 'embedded', embedded: { train: 4, val: 2, test: 2 } });
    const own = await inspectDataset(dataset);
    expect(own.splits.map(({ name, posts }) => [name, posts])).toEqual([['train', 4], ['val', 2], ['test', 2]]); // prettier-ignore
    const splits = [
      { name: 'a', records: dataset.records.slice(0, 3) },
      { name: 'b', records: dataset.records.slice(2, 4) },
    ];
    const given = await inspectDataset(dataset, { splits });
    expect(given.duplicates.sharedIds).toEqual([dataset.records[2]!.id]);
    expect(given.duplicates.texts.overlaps).toContainEqual({ split: 'b', other: 'a', posts: 1, of: 2 });
  });
});

describe('looksWhole', () => {
  it.each(['jpeg', 'png', 'gif', 'webp', 'tiff'] as const)(
    'tells a whole %s from one that is cut off',
    async (format) => {
      const whole = await solidImage('#336699', 40, 30).toFormat(format).toBuffer();
      expect(looksWhole(whole)).toBe(true);
      if (format !== 'tiff') expect(looksWhole(whole.subarray(0, whole.length - 12))).toBe(false);
    },
  );
});

describe('summaries', () => {
  it('are right by hand', () => {
    expect(summarize([4, 1, 3, 10])).toEqual({ count: 4, minimum: 1, median: 3.5, mean: 4.5, maximum: 10 });
    expect(summarize([])).toBeNull();
    expect(countNames(['a', 'b', 'b'])).toEqual({ b: 2, a: 1 });
  });
});
