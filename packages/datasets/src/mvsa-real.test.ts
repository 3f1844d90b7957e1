import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Dataset } from './dataset.js';
import { openDataset } from './open.js';
import { decodeText } from './text-decoder.js';
import { loadSplit } from './splits/split-file.js';
import { selectSplit } from './splits/select-split.js';

// The real data may not be redistributed; it lies beside the repository where it is present at all.
const root = fileURLToPath(new URL('../../../../shared/data/mvsa-single', import.meta.url));

describe.skipIf(!existsSync(root))('real MVSA-Single (skipped where ../shared/data/mvsa-single is absent)', () => {
  let dataset: Dataset;
  beforeAll(async () => void (dataset = await openDataset({ name: 'mvsa-single', root, imageSize: 32 })));

  it('accounts for 4,869 rows: 358 conflicting, 450 missing, 4,061 loaded', () => {
    const { ledger } = dataset;
    expect([ledger.rows, ledger.kept, ledger.dropped.length]).toEqual([4869, 4061, 808]);
    expect(ledger.count('conflicting labels')).toBe(358);
    expect(ledger.count('missing image and text')).toBe(450);
    expect(dataset.records).toHaveLength(4061);
  });

  it('gives the labels that the label rule is known to give: 2683, 470, 1358 with the held-back posts', () => {
    const lines = readFileSync(`${root}/labelResultAll.txt`, 'utf8').split('\n');
    const held = new Set(
      dataset.ledger.dropped.filter((row) => row.reason === 'missing image and text').map((row) => row.id),
    );
    const counts = [0, 1, 2].map((label) => dataset.records.filter((record) => record.label === label).length);
    for (const line of lines) {
      const [id = '', labels = ''] = line.trim().split('\t');
      if (!held.has(id)) continue;
      const label = labels.includes('positive') ? 0 : labels.includes('negative') ? 2 : 1;
      counts[label] = (counts[label] ?? 0) + 1;
    }
    expect(counts).toEqual([2683, 470, 1358]);
  });

  it.each([
    ['train', 3611],
    ['val', 450],
  ])('agrees with %s.json on every label', async (name, size) => {
    const selected = selectSplit(dataset, await loadSplit(`${root}/${name}.json`));
    expect(selected.records).toHaveLength(size);
    expect([selected.absent, selected.disagreements, selected.comparedLabels]).toEqual([[], [], size]);
  });

  it('decodes every text as GB18030', async () => {
    const texts = new Map<string, string | null>();
    for (const record of dataset.records) texts.set(record.id, await dataset.readText(record));
    expect([...texts.values()].filter((text) => text === null || text.includes('\ufffd'))).toEqual([]);
  });

  it('reads pixels of real posts, with the same content hash each time', async () => {
    for (const record of dataset.records.slice(0, 8)) {
      const { image, text } = await dataset.read(record);
      expect([image?.width, image?.height, image?.data.length]).toEqual([32, 32, 32 * 32 * 3]);
      expect(text?.length).toBeGreaterThan(0);
      expect(await dataset.contentHash(record, 'image')).toBe(await dataset.contentHash(record, 'image'));
    }
  });

  it('decodes every twentieth real image, of which decoders warn of none', async () => {
    const records = dataset.records.filter((_, index) => index % 20 === 0);
    for (const record of records) expect((await dataset.read(record)).image?.data).toHaveLength(32 * 32 * 3);
    expect(records).toHaveLength(204);
  });

  it('takes a published split file by itself: labels from the file, images from data/', async () => {
    const posts = await openDataset({ name: 'posts', file: `${root}/val.json`, imageSize: 16 });
    expect([posts.records.length, posts.ledger.dropped.length]).toEqual([450, 0]);
    expect(posts.classes).toEqual(dataset.classes);
    const labels = new Map(dataset.records.map((record) => [record.id, record.label]));
    for (const record of posts.records) expect(record.label).toBe(labels.get(record.id));
    expect((await posts.read(posts.records[0]!)).image?.data).toHaveLength(768);
  });

  it('decodes posts 824, 5084 and 4499, which UTF-8 and strict GBK get wrong', async () => {
    const decode = (id: number) => decodeText(`post ${id}`, readFileSync(`${root}/data/${id}.txt`), 'gb18030');
    expect(decode(824)).toMatch(/print 40x40cm from 180€ - .*…$/);
    expect(decode(5084)).toMatch(/^RT @jhanee97: “@_noo_remorse: .*mariah_blueee …$/);
    expect(decode(4499)).toBe('@doting_0120 (笑) http://t.co/8k0E4R7B97');
  });
});
