import { DataError, MODALITIES } from '@drf/tensor';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Dataset } from './dataset.js';
import { streamPosts } from './stream-posts.js';

/**
 * What every data set promises; each loader runs this suite.
 * @param open opens the data set with images of `size` × `size` pixels
 */
export function datasetContract(name: string, size: number, open: () => Promise<Dataset>): void {
  describe(`${name} keeps the data set contract`, () => {
    let dataset: Dataset;
    let again: Dataset;
    beforeAll(async () => void ([dataset, again] = await Promise.all([open(), open()])));

    it('has records with distinct ids, labels among its classes, and something to read', () => {
      expect(dataset.records.length).toBeGreaterThan(0);
      expect(new Set(dataset.records.map((record) => record.id)).size).toBe(dataset.records.length);
      expect(new Set(dataset.classes).size).toBe(dataset.classes.length);
      for (const { label, image, text } of dataset.records) {
        expect(dataset.classes[label]).toBeDefined();
        expect(image !== null || text !== null).toBe(true);
      }
    });

    it('accounts for every row', () => {
      const { ledger } = dataset;
      expect(ledger.kept).toBe(dataset.records.length);
      expect(ledger.rows).toBe(ledger.kept + ledger.dropped.length);
      expect(JSON.parse(JSON.stringify(ledger))).toEqual(again.ledger.toJSON());
    });

    it('opens the same way twice', () => {
      const facts = ({ records, classes }: Dataset) => [
        classes,
        records.map(({ id, label, split }) => [id, label, split]),
      ];
      expect(facts(again)).toEqual(facts(dataset));
    });

    it('reads posts of the size asked for, the same each time', async () => {
      for (const record of dataset.records.slice(0, 3)) {
        const post = await dataset.read(record);
        expect([post.id, post.label]).toEqual([record.id, record.label]);
        expect([post.image === null, post.text === null]).toEqual([record.image === null, record.text === null]);
        if (post.image !== null) expect(post.image).toMatchObject({ width: size, height: size });
        if (post.image !== null) expect(post.image.data).toHaveLength(size * size * 3);
        expect(post.text).toBe(await dataset.readText(record));
        expect(await again.read(record)).toEqual(post);
      }
    });

    it('hashes content stably, differently for each modality, and refuses a missing one by name', async () => {
      for (const record of dataset.records.slice(0, 3)) {
        const hashes = new Set<string>();
        for (const modality of MODALITIES) {
          if (record[modality] === null) {
            await expect(dataset.contentHash(record, modality)).rejects.toThrow(DataError);
            await expect(dataset.contentHash(record, modality)).rejects.toThrow(`one whose ${modality} is missing`);
            continue;
          }
          const hash = await dataset.contentHash(record, modality);
          expect(hash).toMatch(/^[0-9a-f]{64}$/);
          expect(await again.contentHash(record, modality)).toBe(hash);
          expect(hashes.has(hash)).toBe(false);
          hashes.add(hash);
        }
      }
    });

    it('streams every post once', async () => {
      const ids: string[] = [];
      for await (const batch of streamPosts(dataset, dataset.records, { batchSize: 2 }))
        ids.push(...batch.map((post) => post.id));
      expect(ids).toEqual(dataset.records.map((record) => record.id));
    });
  });
}
