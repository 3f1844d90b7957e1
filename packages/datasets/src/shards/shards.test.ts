import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { pack } from 'tar-stream';
import { openStorage } from '@drf/storage';
import { createRandom } from '@drf/tensor';
import { describe, expect, it, vi } from 'vitest';
import { readUnlabeledPosts, type UnlabeledResult } from '../index.js';
import { folderWith, smallJpeg } from '../testing/folders.js';
import { MemoryStorage } from '../testing/memory-storage.js';
import type { ShardPlan } from './plan.js';
import { planShards } from './plan-shards.js';
import { readShard, type ShardResult } from './read-shard.js';
import type { Storage } from '@drf/files';

const decoding = { width: 4, height: 4, fit: 'stretch', maximumPixels: 1e6 } as const;

/** What must be equal however rows are read. */
function seen(result: UnlabeledResult | ShardResult) {
  const { row, id } = result;
  if ('error' in result) return { row, id, error: result.error.message };
  return { row, id, line: result.line, own: result.own, hash: result.hash, hashes: result.contentHashes };
}

async function ofWhole(path: string) {
  const rows: ReturnType<typeof seen>[] = [];
  for await (const result of readUnlabeledPosts(path, { decoding })) rows.push(seen(result));
  return rows;
}

async function ofShards(storage: Storage, plan: ShardPlan) {
  const rows: (ReturnType<typeof seen> & { file: string })[] = [];
  for (const [index, shard] of plan.shards.entries()) {
    const before = rows.length;
    for await (const result of readShard(storage, plan, index, { decoding }))
      rows.push({ ...seen(result), file: result.file });
    if (shard.rows !== null) expect(rows.length - before).toBe(shard.rows);
  }
  return rows;
}

/** A row as the whole file gives it. */
function withoutFile(row: ReturnType<typeof seen> & { file?: string }) {
  const { file, ...others } = row;
  expect(file).toBeDefined();
  return others;
}

type Members = Readonly<Record<string, string | Uint8Array>>;

async function tarOf(members: Members): Promise<Buffer> {
  const tar = pack();
  for (const [name, content] of Object.entries(members)) tar.entry({ name }, Buffer.from(content));
  tar.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of tar as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Texts with everything that makes rows hard to tell apart. */
function hardTexts(count: number): readonly string[] {
  const random = createRandom(7);
  const kinds = [
    'plain',
    'a, comma',
    'two\nlines',
    'a "quote"',
    '"starts with one',
    'café 😀',
    '',
    'x\n\n7,a.jpg,y\nz',
  ];
  return Array.from({ length: count }, (_, index) => `${kinds[random.integer(kinds.length)]} ${index}`);
}

const quoted = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function csvOf(texts: readonly string[]): string {
  const lines = texts.map((text, index) => `${index % 5},${index % 17 === 3 ? `"${text}` : quoted(text)},z`);
  return ['number,text,other', ...lines, ''].join('\n');
}

function linesOf(texts: readonly string[]): string {
  return texts
    .map((text, index) => (index % 19 === 4 ? '\n  \n{"text": broken' : JSON.stringify({ text, index })))
    .join('\r\n');
}

function parquetOf(texts: readonly string[], rowGroupSize: number, columnIndex = false): Uint8Array {
  const columnData = [
    { name: 'text', data: [...texts], type: 'STRING' as const },
    { name: 'index', data: texts.map((_, index) => index), type: 'INT32' as const },
  ];
  const pageSize = columnIndex ? 512 : undefined;
  const indexed = columnData.map((column) => ({ ...column, columnIndex, offsetIndex: columnIndex }));
  return new Uint8Array(parquetWriteBuffer({ columnData: indexed, rowGroupSize, ...(pageSize ? { pageSize } : {}) }));
}

async function webDataset(posts: number): Promise<Buffer> {
  const members: Record<string, string | Uint8Array> = { 'a/': '' };
  for (let post = 0; post < posts; post++) {
    const key = `a/${String(post).padStart(4, '0')}`;
    if (post % 3 !== 0) members[`${key}.jpg`] = post % 7 === 4 ? 'no image' : await smallJpeg(post);
    if (post % 4 === 1)
      members[`${key}.json`] = post % 5 === 0 ? '{' : JSON.stringify({ caption: `of json ${post}`, n: post });
    if (post % 4 !== 1) members[`${key}.txt`] = `text ${post}`;
    if (post % 2 === 0) members[`${key}.cls`] = '1';
    if (post % 2 === 1) members[`${key}.npy`] = 'numbers';
  }
  return tarOf(members);
}

const TEXTS = hardTexts(2600);
const FEW = hardTexts(57);

const FORMS: Readonly<Record<string, () => string | Uint8Array | Promise<Uint8Array>>> = {
  'posts.csv': () => csvOf(TEXTS),
  'few.csv': () => csvOf(FEW),
  'mac.csv': () => csvOf(TEXTS.map((text) => text.replaceAll('\n', ' '))).replaceAll('\n', '\r'),
  'named.csv': () => `sep=;\n${csvOf(FEW).replaceAll(',', ';')}`,
  'latin.csv': () => Buffer.from(csvOf(TEXTS.map((text) => text.replace('😀', 'ü'))), 'latin1'),
  'wide.tsv': () => Buffer.from(`\ufeff${csvOf(FEW).replaceAll(',', '\t')}`, 'utf16le'),
  'posts.csv.gz': () => gzipSync(csvOf(TEXTS)),
  'misnamed.csv': () => gzipSync(linesOf(FEW)),
  'cut.csv.gz': () => gzipSync(csvOf(TEXTS)).subarray(0, 9000),
  'posts.jsonl': () => linesOf(TEXTS),
  'wide.jsonl': () => Buffer.from(`\ufeff${linesOf(FEW)}`, 'utf16le'),
  'posts.ndjson.gz': () => gzipSync(linesOf(FEW)),
  'posts.json': () => JSON.stringify(FEW.map((text) => ({ text }))),
  'posts.parquet': () => parquetOf(TEXTS, 100),
  'one-group.parquet': () => parquetOf(TEXTS, 1e6),
  'indexed.parquet': () => parquetOf(TEXTS, 1e6, true),
  'posts.tar': () => webDataset(40),
  'posts.tar.gz': async () => gzipSync(await webDataset(40)),
  'cut.tar': async () => (await webDataset(40)).subarray(0, 30_000),
};

describe('all shards together', () => {
  it.each(Object.entries(FORMS))('give what %s gives from its start, however it is cut', async (name, content) => {
    const bytes = await content();
    const folder = await folderWith({ [name]: bytes });
    const path = join(folder, name);
    const whole = await ofWhole(path);
    const storage = await openStorage(folder);
    const stored = new MemoryStorage('s3://bucket/posts', { [name]: bytes });
    const random = createRandom(whole.length);
    for (const rowsPerShard of [
      1e6,
      whole.length > 100 ? 333 : 1,
      whole.length > 100 ? 90 + random.integer(900) : 2 + random.integer(20),
    ]) {
      const plan = await planShards(path, { rowsPerShard });
      const json = JSON.stringify(plan);
      const rows = await ofShards(storage, JSON.parse(json) as ShardPlan);
      expect(rows.map(withoutFile)).toEqual(whole);
      expect(JSON.stringify(await planShards(path, { rowsPerShard }))).toBe(json);
      const remote = await planShards(stored, { rowsPerShard });
      expect(remote.shards).toEqual(plan.shards);
      expect(await ofShards(stored, remote)).toEqual(rows);
      if (plan.rows === null) continue;
      expect(plan.rows).toBe(whole.length);
      if (rowsPerShard < whole.length / 2) expect(plan.shards.length).toBeGreaterThan(1);
    }
  });

  it('read what they need of a text, not all that stands before', async () => {
    const texts = Array.from({ length: 20_000 }, (_, index) => `the "text", ${index}`);
    const csv = ['id,text', ...texts.map((text, index) => `${index},${quoted(text)}`)].join('\n');
    for (const [name, content] of Object.entries({ 'a.csv': csv, 'a.jsonl': linesOf(texts) })) {
      const storage = new MemoryStorage('s3://bucket', { [name]: content });
      const plan = await planShards(storage, { rowsPerShard: 1000 });
      storage.bytesRead = 0;
      let rows = 0;
      for await (const { row } of readShard(storage, plan, 19, { decoding })) expect(row).toBe(19_001 + rows++);
      expect(rows).toBeGreaterThan(900);
      expect(storage.bytesRead / content.length, name).toBeLessThan(0.12);
    }
  });
});

describe('a file that breaks off', () => {
  it.each(['cut.csv.gz', 'cut.tar'])('gives what stands before that, and then one error: %s', async (name) => {
    const folder = await folderWith({ [name]: await (FORMS[name] as () => Promise<Uint8Array>)() });
    const rows = await ofWhole(join(folder, name));
    const errors = rows.filter((row) => row.error?.includes('breaks off'));
    expect(errors).toEqual([rows.at(-1)]);
    expect(rows.length).toBeGreaterThan(10);
  });

  it('says so of a damaged gzip file and of a tar that was cut between two posts', async () => {
    const damaged = gzipSync(csvOf(TEXTS));
    damaged.fill(0xff, damaged.length - 8, damaged.length - 4); // the checksum
    const tar = await tarOf({ '1.txt': 'a', '2.txt': 'b' });
    const folder = await folderWith({ 'a.csv.gz': damaged, 'a.tar': tar.subarray(0, 2048), 'b.tar': 'no tar at all' });
    const rows = await ofWhole(join(folder, 'a.csv.gz'));
    expect(rows.at(-1)?.error).toMatch(
      /^Unpacking a.csv.gz expected a whole gzip file, received one that breaks off or is damaged here \(incorrect data check\); fetch/,
    );
    const complete = await folderWith({ 'a.csv': csvOf(TEXTS) });
    const all = (await ofWhole(join(complete, 'a.csv'))).map(({ own }) => own);
    expect(rows.slice(0, -1).map(({ own }) => own)).toEqual(all.slice(0, rows.length - 1));
    expect(all.length - rows.length).toBeLessThan(1000); // of the last 16 KiB that were unpacked
    const posts = await ofWhole(join(folder, 'a.tar'));
    expect(posts.map(({ id, error }) => [id, error?.slice(0, 35)])).toEqual([
      ['1', undefined],
      ['a.tar, post 2', 'Reading a.tar expected a whole tar,'],
    ]);
    await expect(ofWhole(join(folder, 'b.tar'))).rejects.toThrow(
      /b.tar expected a tar of posts \(WebDataset\), received/,
    );
  });

  it('is refused where nothing stands before that', async () => {
    const folder = await folderWith({ 'a.csv.gz': gzipSync('text\na').subarray(0, 11) });
    await expect(ofWhole(join(folder, 'a.csv.gz'))).rejects.toThrow(/a.csv.gz expected a whole gzip file/);
  });
});

describe('a WebDataset', () => {
  it('joins consecutive members by key, ignores what is no part of a post, and follows nothing', async () => {
    const jpeg = await smallJpeg(3);
    const tar = pack();
    tar.entry({ name: 'x.link.jpg', type: 'symlink', linkname: '/etc/passwd' });
    tar.entry({ name: '0.txt', type: 'symlink', linkname: '/etc/passwd' });
    tar.entry({ name: '../../up.txt' }, 'a key like any other');
    tar.entry({ name: '/abs/1.JPG' }, jpeg);
    tar.entry({ name: '/abs/1.json' }, JSON.stringify({ caption: 'from json', id: 'own', url: 'u' }));
    tar.entry({ name: '2.jpg' }, jpeg);
    tar.entry({ name: '2.png' }, jpeg);
    tar.entry({ name: '3.seg.png' }, jpeg);
    tar.entry({ name: '._4.txt' }, 'of macOS');
    tar.entry({ name: '5.txt' }, Buffer.alloc(1024 * 1024 + 1, 'a'));
    tar.entry({ name: '6.json' }, '[]');
    tar.entry({ name: '7.json' }, JSON.stringify({ key: 7 }));
    tar.finalize();
    const pieces: Buffer[] = [];
    for await (const piece of tar as AsyncIterable<Buffer>) pieces.push(piece);
    const folder = await folderWith({ 'a.tar': Buffer.concat(pieces) });
    const notes: string[] = [];
    const rows: unknown[] = [];
    for await (const result of readUnlabeledPosts(join(folder, 'a.tar'), {
      decoding,
      onNote: (note) => notes.push(note),
    })) {
      rows.push(
        'error' in result
          ? result.error.message
          : [result.id, result.line, result.post.text, result.post.image?.width, result.own],
      );
    }
    expect(rows).toEqual([
      ['../../up', 1, 'a key like any other', undefined, { __key__: '../../up', txt: 'a key like any other' }],
      ['own', 2, 'from json', 4, { __key__: '/abs/1', caption: 'from json', id: 'own', url: 'u' }],
      'a.tar, 2.png expected one image of this name, received "2.jpg" and "2.png"; rename all but one of them',
      'a.tar, 5.txt expected at most 1048576 bytes, received 1048577 bytes; shrink it, or leave it out',
      'a.tar, 6.json expected a JSON object, received another value; correct it',
      'a.tar, post 6 expected text or an image, or both, received neither; fill in one of them or remove the row',
    ]);
    expect(notes).toEqual([
      'a.tar: 4 members are neither images nor texts of posts and are not used (the first is "x.link.jpg")',
    ]);
  });
});

describe('planShards', () => {
  it('gathers small files, names rows by their files, and notes what it does not read', async () => {
    const storage = new MemoryStorage('s3://bucket/posts', {
      '_SUCCESS.json': '{}',
      '.hidden/a.csv': 'text\na',
      'b/1.csv': 'text\na\nb\n',
      'b/2.csv': 'text\nc\n\nd\n',
      'b/empty.csv': '',
      'b/none.csv': 'text\n',
      'b/latin.csv': Buffer.from('text\n\xfcber\n', 'latin1'),
      'b/model.bin': 'x',
      'images/1.jpg': await smallJpeg(1),
      'out/part.jsonl': '{"text":"no input"}',
      'out-of-season.csv': 'text\nskis\n',
      'out.csv': 'text\nout\n',
      'shards/00000.parquet': 'PAR1 is not looked at',
      'shards/00000.tar': await tarOf({ '1.txt': 'in a tar' }),
      'shards/00000_stats.json': '{}',
      'shards/00001.tar': await tarOf({ '1.txt': 'in another' }),
    });
    const plan = await planShards(storage, { rowsPerShard: 3, except: ['s3://bucket/posts/out/'] });
    expect(plan.files.map(({ path, rows }) => [path, rows])).toEqual([
      ['b/1.csv', 2],
      ['b/2.csv', 2],
      ['b/latin.csv', 1],
      ['out-of-season.csv', 1],
      ['out.csv', 1],
      ['shards/00000.tar', null],
      ['shards/00001.tar', null],
    ]);
    expect(plan.shards.map(({ rows, parts }) => [rows, parts.map(({ file }) => file)])).toEqual([
      [2, [0]],
      [3, [1, 2]],
      [null, [3, 4, 5]],
      [null, [6]],
    ]);
    expect(plan.rows).toBeNull();
    const asked: (number | null)[] = [];
    const by = (rows: number | null): number => (asked.push(rows), rows === null ? 50 : 3);
    const tables = new Map([...storage.objects].filter(([path]) => !path.startsWith('shards/')));
    const counted = new MemoryStorage('s3://bucket/posts', Object.fromEntries(tables));
    const listed = vi.spyOn(counted, 'list');
    const whole = await planShards(counted, { rowsPerShard: by });
    expect([asked, listed.mock.calls.length]).toEqual([[null, 8], 1]);
    expect(whole).toEqual(await planShards(counted, { rowsPerShard: 3 }));
    expect(plan.notes).toEqual([
      '.hidden/a.csv, _SUCCESS.json: is hidden, or begins with "_", and is not read',
      'shards/00000.parquet: describes the tar of the same name (img2dataset), and is no second input',
      'shards/00000_stats.json: counts what is in the tar of the same name (img2dataset), and is no input',
      'b/model.bin: is of no kind that holds posts, and is not read',
      'images/1.jpg: is an image or text beside tables, read only where one names it',
      'b/empty.csv: is empty',
      'b/latin.csv: is not UTF-8; read as windows-1252 (--dataset.encoding names another)',
      'b/none.csv: has no rows',
    ]);
    const rows = await ofShards(storage, plan);
    expect(rows.map(({ id, file, row, line }) => [id, file, row, line])).toEqual([
      ['b/1.csv, line 2', 'b/1.csv', 1, 2],
      ['b/1.csv, line 3', 'b/1.csv', 2, 3],
      ['b/2.csv, line 2', 'b/2.csv', 1, 2],
      ['b/2.csv, line 4', 'b/2.csv', 2, 4],
      ['b/latin.csv, line 2', 'b/latin.csv', 1, 2],
      ['out-of-season.csv, line 2', 'out-of-season.csv', 1, 2],
      ['out.csv, line 2', 'out.csv', 1, 2],
      ['shards/00000.tar/1', 'shards/00000.tar', 1, 1],
      ['shards/00001.tar/1', 'shards/00001.tar', 1, 1],
    ]);
    expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
  });

  it('takes images and texts that pair by name as one input, and refuses it once they have changed', async () => {
    const files: Record<string, string | Uint8Array> = { '_log.txt': 'no post', 'odd.bin': 'odd' };
    for (let post = 0; post < 30; post++) {
      files[`${post % 3}/${post}.jpg`] = await smallJpeg(post);
      if (post % 2 === 0) files[`${post % 3}/${post}.txt`] = `text ${post}`;
    }
    files['1/4.png'] = files['1/4.jpg'] as Uint8Array;
    const folder = await folderWith(files);
    const storage = await openStorage(folder);
    const plan = await planShards(folder, { rowsPerShard: 7 });
    expect([plan.rows, plan.shards.length]).toEqual([31, 4]);
    const rows = await ofShards(storage, plan);
    const { '_log.txt': log, ...others } = files;
    expect(log).toBeDefined();
    const whole = await ofWhole(await folderWith(others));
    const plain = (row: ReturnType<typeof seen>) => ({
      ...row,
      error: row.error?.replace(/\S*drf-datasets-[^/]*\//, ''),
    });
    expect(rows.map((row) => plain(withoutFile(row)))).toEqual(whole.map(plain));
    const stored = new MemoryStorage('s3://bucket/images', files);
    const remote = await ofShards(stored, await planShards(stored, { rowsPerShard: 7 }));
    expect(remote.map(({ hash }) => hash)).toEqual(rows.map(({ hash }) => hash));
    await stored.write('2/29.txt', 'new');
    await expect(ofShards(stored, { ...plan, files: (await planShards(storage)).files })).rejects.toThrow(
      /s3:\/\/bucket\/images expected the files as they were/,
    );
  });

  it('refuses what holds nothing to read, by name', async () => {
    const refused = (content: Members, except: readonly string[] = []) =>
      planShards(new MemoryStorage('s3://b/p', content), { except });
    await expect(refused({})).rejects.toThrow(
      'Reading posts from s3://b/p expected tables (.parquet, .jsonl, .csv, .tsv, .json), tars (.tar), or images and texts, received nothing; check the location',
    );
    await expect(refused({ 'a.bin': 'x' })).rejects.toThrow(/received 1 files of no kind that holds posts/);
    await expect(refused({ _SUCCESS: '', 'a.csv': '', 'b.csv': 'text\n' })).rejects.toThrow(
      /received _SUCCESS: is hidden.*; a.csv: is empty; b.csv: has no rows/,
    );
    await expect(refused({ 'a.csv': 'no,columns\n1,2' })).rejects.toThrow(
      /s3:\/\/b\/p\/a.csv expected columns named text or image/,
    );
    await expect(planShards('/no/such/place')).rejects.toThrow(
      'Opening /no/such/place expected a file or folder of posts, received nothing there; check the path',
    );
    await expect(planShards('.', { rowsPerShard: 0.5 })).rejects.toThrow(
      /rowsPerShard expected a whole number from 1, received 0.5/,
    );
  });

  it('stays small, tells how far it is, and stops when it is told to', async () => {
    const texts = Array.from({ length: 10_000 }, () => 'x');
    const storage = new MemoryStorage('s3://b', {
      'a.jsonl': texts.map((text) => JSON.stringify({ text })).join('\n'),
    });
    let bytes = 0;
    const plan = await planShards(storage, { rowsPerShard: 1, onProgress: (progress) => (bytes = progress.bytes) });
    expect(plan.shards).toHaveLength(10_000);
    expect(JSON.stringify(plan).length).toBeLessThan(1_000_000);
    expect(bytes).toBeGreaterThan(2 * 10_000 * 12);
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(planShards(storage, { signal })).rejects.toThrow('enough');
  });
});

describe('readShard', () => {
  it('stops with one error, naming the file, once an input has changed', async () => {
    const folder = await folderWith({ 'a.csv': 'text\na\nb\n', 'b.csv': 'text\nc\n' });
    const storage = await openStorage(folder);
    const plan = await planShards(folder);
    await storage.write('b.csv', 'text\nd\n');
    const texts: unknown[] = [];
    const reading = async () => {
      for await (const row of readShard(storage, plan, 0, { decoding })) texts.push('post' in row && row.post.text);
    };
    await expect(reading()).rejects.toThrow(/b.csv expected the file as it was|b.csv/);
    expect(texts).toEqual(['a', 'b']);
  });

  it('reads images below the prefix alone, by path or by address', async () => {
    const jpeg = await smallJpeg(1);
    const images = [
      '1.jpg',
      './x/../1.jpg',
      's3://bucket/posts/sub/1.jpg',
      's3://bucket/posts/1.jpg',
      '../1.jpg',
      '/1.jpg',
      'https://a.b/1.jpg',
      '2.jpg',
      '0.jpg',
    ];
    const storage = new MemoryStorage('s3://bucket/posts', {
      '1.jpg': jpeg,
      'sub/1.jpg': jpeg,
      'sub/0.jpg': '',
      'sub/posts.csv': ['image', ...images].join('\n'),
    });
    const rows = await ofShards(storage, await planShards(storage));
    expect(rows.map(({ error, hash }) => error?.replace(/.*column image expected /, '') ?? hash?.length)).toEqual([
      32,
      32,
      32,
      'a path inside s3://bucket/posts/sub, received one that leads outside; name a file below that prefix, or choose another root',
      'a path inside s3://bucket/posts/sub, received one that leads outside; name a file below that prefix, or choose another root',
      'a path inside s3://bucket/posts/sub, received one that leads outside; name a file below that prefix, or choose another root',
      'the path of an image file, received the address https://a.b/1.jpg; save the image as a file and name that: nothing is fetched',
      'an image file 2.jpg inside s3://bucket/posts/sub, received nothing there; restore the file, correct the path, or name another root',
      'an image file 0.jpg inside s3://bucket/posts/sub, received 0 bytes; restore the file, correct the path, or name another root',
    ]);
  });
});
