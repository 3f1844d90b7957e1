import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { storedPaperLine } from '../report/report.js';
import { studiesOf } from '../statistics/compare-systems.js';
import { syntheticStore } from '../testing/synthetic-store.js';
import { openForWriting } from './database.js';
import { ResultStore, STORE_NAME } from './read.js';

it('calls a drf-paper of before it was the paper’s to the letter drf-adapted', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'drf-store-'));
  try {
    await syntheticStore(folder, [0]);
    const connection = openForWriting(join(folder, STORE_NAME));
    connection.exec(`UPDATE training SET method = 'drf-paper' WHERE method = 'drf'`);
    const methods = (): string[] => {
      const store = new ResultStore(folder);
      const found = [...new Set(store.cells.map(({ method }) => method))].sort();
      store.close();
      return found;
    };
    expect(methods()).toEqual(['concatenation', 'drf-paper']);
    connection.exec(`UPDATE training SET config = json_remove(config, '$.model.featureNorm')`);
    connection.close();
    expect(methods()).toEqual(['concatenation', 'drf-adapted']);
  } finally {
    await rm(folder, { recursive: true, maxRetries: 5 });
  }
});

it('says beside its name what a drf-paper that departs from the letter does, but of no former one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'drf-store-'));
  try {
    await syntheticStore(folder, [0]);
    const connection = openForWriting(join(folder, STORE_NAME));
    const line = (): string => {
      const store = new ResultStore(folder);
      const said = storedPaperLine(store, studiesOf(store));
      store.close();
      return said;
    };
    connection.exec(`UPDATE training SET method = 'drf-paper', config = json_set(config, '$.method', 'drf-paper')
      WHERE method = 'drf'`);
    expect(line()).not.toContain('letter');
    connection.exec(`UPDATE training SET config = json_set(config, '$.model.weighting', 'normalized')`);
    expect(line()).toMatch(/frozen\. drf-paper is not the paper to the letter here: weighting normalized\.$/);
    connection.exec(`UPDATE training SET config = json_remove(config, '$.model.featureNorm')`);
    connection.close();
    expect(line()).not.toContain('letter');
  } finally {
    await rm(folder, { recursive: true, maxRetries: 5 });
  }
});
