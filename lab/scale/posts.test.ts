import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openStorage } from '@drf/storage';
import { FORMATS, makePosts } from './posts.mjs';

let folder: string;
const make = async (name: string, options: object) =>
  makePosts(await openStorage(join(folder, name)), { count: 60, distinct: 10, perFile: 40, ...options });
const hashes = async (name: string) => {
  const files = await readdir(join(folder, name), { recursive: true, withFileTypes: true });
  const paths = files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name));
  const contents = await Promise.all(paths.sort().map((path) => readFile(path)));
  return contents.map((content) => createHash('sha256').update(content).digest('hex'));
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-posts-test-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('makes the same files of the same seed, and others of another', async () => {
  await make('one', { formats: FORMATS });
  await make('same', { formats: FORMATS });
  await make('other', { formats: FORMATS, seed: 2 });
  expect(await hashes('same')).toEqual(await hashes('one'));
  expect(await hashes('other')).not.toEqual(await hashes('one'));
});

it('makes the same posts in every layout', async () => {
  const file = await asyncBufferFromFile(join(folder, 'one', 'parquet', 'posts-00001.parquet'));
  const rows = await parquetReadObjects({ file, utf8: false });
  const lines = (await readFile(join(folder, 'one', 'jsonl', 'posts-00001.jsonl'), 'utf8')).trim().split('\n');
  expect(rows).toHaveLength(20);
  const posts = lines.map((line) => JSON.parse(line));
  expect(rows.map(({ id, text, label }) => ({ id, text, label }))).toEqual(
    posts.map(({ id, text, label }) => ({ id, text, label })),
  );
  for (const [index, { image }] of posts.entries()) {
    const bytes = image === null ? null : await readFile(join(folder, 'one', 'jsonl', image));
    const inTable = rows[index]?.image as Uint8Array | null | undefined;
    expect(inTable === null || inTable === undefined ? null : Buffer.from(inTable).equals(bytes as Buffer)).toBe(
      image === null ? null : true,
    );
  }
});
