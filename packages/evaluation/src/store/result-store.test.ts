import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { formatCell } from '../cells.js';
import { storedPaperLine } from '../report/report.js';
import { studiesOf } from '../statistics/compare.js';
import { asVersion1, asVersion2 } from '../testing/former-store.js';
import { syntheticStore } from '../testing/synthetic-store.js';
import { openStore } from './connection.js';
import { ResultStore } from './result-store.js';

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'drf-store-'))));
afterEach(() => rm(folder, { recursive: true, maxRetries: 5 }));

/** Cells, posts and answers of a store, and what it knows. */
function content(path: string, mode: 'read' | 'write' = 'read'): unknown {
  const store = new ResultStore(path, mode);
  const cells = store.cells.map((cell) => [
    formatCell(cell),
    cell,
    store.posts(cell),
    store.predictions(cell),
    store.disruptions(cell),
    store.epochs(cell),
  ]);
  const known = [...store.known(1)].sort();
  store.close();
  return { cells, known };
}

/** A store of two folds and of an experiment without, and the same as version 1 had it. */
async function formerStore(code?: string): Promise<{ readonly path: string; readonly former: string }> {
  const stores = [join(folder, 'present'), join(folder, 'former')].map(async (own) => {
    for (const fold of [1, 2]) await syntheticStore(own, [0], { fold, folds: 2 });
    return syntheticStore(own, [0]);
  });
  const [path, former] = (await Promise.all(stores)) as [string, string];
  const connection = openStore(path, 'write');
  // that of all results which such a store holds; addresses end in it
  connection.exec("UPDATE training SET result_version = 1, address = rtrim(address, '0123456789') || '1'");
  connection.exec("UPDATE cell SET address = rtrim(address, '0123456789') || '1'");
  connection.close();
  asVersion1(former, code);
  return { path, former };
}

it('reads a store of version 1 as one of this version, and leaves it as it is', async () => {
  const { path, former } = await formerStore();
  const expected = content(path) as { cells: unknown[]; known: unknown[] };
  expect(expected.cells.length).toBeGreaterThan(20);
  expect(expected.known.length).toBeGreaterThan(expected.cells.length); // the folds, one by one
  expect(content(former)).toEqual(expected);
  const connection = openStore(former, 'read');
  expect(connection.prepare('PRAGMA user_version').get()?.user_version).toBe(1);
  const [table] = connection.prepare("SELECT sql FROM main.sqlite_schema WHERE name = 'training'").all();
  expect(table?.sql).toMatch(/\bcode TEXT/);
  connection.close();
});

it('makes a store of version 1 one of this version when it is written to', async () => {
  const { path, former } = await formerStore();
  expect(content(former, 'write')).toEqual(content(path));
  const schema = (of: string): unknown => {
    const connection = openStore(of, 'read');
    const version = connection.prepare('PRAGMA user_version').get()?.user_version;
    const columns = connection.prepare("SELECT name FROM pragma_table_info('training') ORDER BY name").all();
    const rows = connection.prepare('SELECT * FROM result ORDER BY 1, 2, 3, 4, 5, 6, 7, 8').all();
    const addresses = connection.prepare('SELECT address FROM cell ORDER BY address').all();
    connection.close();
    return { version, columns: columns.map(({ name }) => name), rows, addresses };
  };
  expect(schema(former)).toEqual(schema(path));
  expect(schema(former)).toMatchObject({ version: 3 });
});

it('takes results of other code than that of version 1 as of no version', async () => {
  const { former } = await formerStore('other');
  for (const mode of ['read', 'write'] as const) {
    const store = new ResultStore(former, mode);
    expect(store.known(1).size).toBe(0);
    expect(store.known().size).toBeGreaterThan(store.cells.length);
    store.close();
  }
});

it('refuses stores of later versions and databases of something else', async () => {
  const path = await syntheticStore(folder, [0]);
  const setVersion = (version: number): void => {
    const connection = openStore(path, 'write');
    connection.exec(`PRAGMA user_version = ${version}`);
    connection.close();
  };
  setVersion(4);
  expect(() => new ResultStore(folder, 'read')).toThrow(/expected version 3 or an older one, received version 4/);
  expect(() => new ResultStore(folder, 'write')).toThrow(/received version 4/);
});

it('holds in memory what it holds in a file', async () => {
  const path = await syntheticStore(folder, [0]);
  const file = new ResultStore(path, 'read');
  const memory = new ResultStore(':memory:', 'write');
  expect(memory.cells).toEqual([]);
  await syntheticStore(memory, [0]);
  expect(memory.cells).toEqual(file.cells);
  expect(memory.cells.map((cell) => memory.predictions(cell))).toEqual(
    file.cells.map((cell) => file.predictions(cell)),
  );
  memory.close();
  file.close();
});

it('reads a store of version 2 as it is, and brings it to this version when it writes', async () => {
  const path = await syntheticStore(folder, [0]);
  const contentOf = (mode: 'read' | 'write') => {
    const store = new ResultStore(path, mode);
    const content = store.cells.map((cell) => [
      cell,
      store.predictions(cell),
      store.disruptions(cell),
      store.cost([cell]),
    ]);
    store.close();
    return content;
  };
  const before = contentOf('read');
  expect(before[0]?.[3]).toEqual({ trainings: 1, seconds: 2, parameters: 1234, memoryBytes: 2 ** 28 });
  asVersion2(path);
  const uncounted = before.map(([cell, predictions, disruptions]) => [
    cell,
    predictions,
    disruptions,
    { trainings: 1, seconds: 2, parameters: null, memoryBytes: null },
  ]);
  expect(contentOf('read')).toEqual(uncounted);
  expect(contentOf('write')).toEqual(uncounted);
  const connection = openStore(path, 'read');
  expect(connection.prepare('PRAGMA user_version').get()?.user_version).toBe(3);
  connection.close();
});

it('calls a drf-paper of before it was the paper’s to the letter drf-adapted', async () => {
  const path = await syntheticStore(folder, [0]);
  const change = (sql: string): void => {
    const connection = openStore(path, 'write');
    connection.exec(`UPDATE training SET ${sql}`);
    connection.close();
    asVersion1(path);
  };
  const methods = (): string[] => {
    const store = new ResultStore(path, 'read');
    const found = [...new Set(store.cells.map(({ method }) => method))].sort();
    store.close();
    return found;
  };
  change(`method = CASE method WHEN 'drf' THEN 'drf-paper' ELSE method END`);
  expect(methods()).toEqual(['concatenation', 'drf-paper']);
  change(`config = json_remove(config, '$.model.featureNorm')`);
  expect(methods()).toEqual(['concatenation', 'drf-adapted']);
});

it('says beside its name what a drf-paper that departs from the letter does, but of no former one', async () => {
  const path = await syntheticStore(folder, [0]);
  const connection = openStore(path, 'write');
  const line = (): string => {
    const store = new ResultStore(folder, 'read');
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
  asVersion1(path);
  expect(line()).not.toContain('letter');
});
