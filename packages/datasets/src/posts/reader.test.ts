// Tables as people store them: under other names than their form has, in other encodings, with other line ends.
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { parquetWriteFile } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { openDataset, type OpenOptions } from '../index.js';
import { folderWith } from '../testing/folders.js';

async function openFile(name: string, content: string | Uint8Array, options: Partial<OpenOptions> = {}) {
  const folder = await folderWith({ [name]: content });
  const dataset = await openDataset({ name: 'posts', file: join(folder, name), ...options });
  const texts = await Promise.all(dataset.records.map((record) => dataset.readText(record)));
  const { rows, kept, notes } = dataset.ledger.toJSON();
  const posts = dataset.records.map(({ id, label }, index) => [id, texts[index], dataset.classes[label]]);
  return { posts, rows, kept, notes: notes.map(({ message }) => message), dropped: dataset.ledger.dropped };
}

const POSTS = [['1', 'café', 'x'], ['2', 'b', 'y']]; // prettier-ignore
const CSV = 'id,text,label\n1,café,x\n2,b,y\n';
const LINES = '{"id":"1","text":"café","label":"x"}\n{"id":"2","text":"b","label":"y"}\n';
const ARRAY = `[${LINES.trim().replace('\n', ',\n').replaceAll('}', ',"image":""}')}]`;

describe('a table under another name', () => {
  it.each([
    ['JSON Lines', 'posts.json', LINES],
    ['JSON Lines', 'posts.csv', LINES],
    ['a JSON array', 'posts.jsonl', ARRAY],
    ['a JSON array', 'posts.tsv', `\ufeff ${ARRAY}`],
    ['CSV', 'posts.jsonl', CSV],
    ['CSV', 'posts.json', `sep=,\n${CSV}`],
    ['CSV', 'posts.parquet', CSV],
  ])('is read as %s, which it is, in %s', async (form, name, content) => {
    const { posts, notes } = await openFile(name, content);
    expect([posts, notes]).toEqual([POSTS, [`${name}: holds ${form}, whatever its name says, and is read as that`]]);
  });

  it('is read as Parquet by its first bytes', async () => {
    const folder = await folderWith({});
    const file = join(folder, 'posts.csv');
    const columnData = [
      { name: 'text', data: ['a', 'b'], type: 'STRING' as const },
      { name: 'label', data: ['x', 'y'], type: 'STRING' as const },
    ];
    parquetWriteFile({ filename: file, columnData });
    expect((await openDataset({ name: 'posts', file })).records).toHaveLength(2);
  });

  it.each([
    ['a Zstandard archive; unpack it first (zstd -d)', Buffer.from('28b52ffd0458', 'hex')],
    ['a Zstandard archive; unpack it first (zstd -d)', gzipSync(Buffer.from('28b52ffd0458', 'hex'))],
    ['a ZIP archive or an Excel workbook; unpack it, or save the sheet as "CSV UTF-8"', Buffer.from('PK\u0003\u0004')],
    ['a web page (HTML); download the file itself', '<!DOCTYPE html><html>'],
  ])('is refused by name where it is %s', async (what, content) => {
    await expect(openFile('posts.csv', content)).rejects.toThrow(
      `posts.csv expected a table of posts: CSV, JSON Lines, JSON or Parquet, received ${what}`,
    );
  });
});

describe('a table in another encoding', () => {
  const encoded = (text: string, encoding: BufferEncoding) => Buffer.from(text, encoding);
  it.each([
    ['windows-1252', 'posts.csv', encoded(CSV, 'latin1')],
    ['windows-1252', 'posts.jsonl', encoded(LINES, 'latin1')],
    ['windows-1252', 'posts.json', encoded(ARRAY, 'latin1')],
    ['utf-16le', 'posts.csv', encoded(`\ufeff${CSV}`, 'utf16le')],
    ['utf-16le', 'posts.tsv', encoded(CSV.replaceAll(',', '\t').replaceAll('\n', '\r\n'), 'utf16le')],
    ['utf-16be', 'posts.jsonl', encoded(`\ufeff${LINES}`, 'utf16le').swap16()],
    ['utf-16le', 'posts.json', encoded(ARRAY, 'utf16le')],
  ])('is read as %s, found out, in %s', async (encoding, name, content) => {
    const { posts, notes } = await openFile(name, content);
    expect(posts).toEqual(POSTS);
    expect(notes).toEqual([`${name}: is not UTF-8; read as ${encoding} (--dataset.encoding names another)`]);
  });

  it('is read as it is named, and its headers are as well', async () => {
    const gefuehl = encoded('Text;Gefühl\na;x\nb;y\n', 'latin1');
    expect((await openFile('a.csv', gefuehl, { columns: { label: 'Gefühl' } })).posts).toHaveLength(2);
    const named = await openFile('a.csv', encoded(CSV, 'latin1'), { encoding: 'windows-1250' });
    expect([named.posts, named.notes]).toEqual([POSTS, []]);
    await expect(openFile('a.csv', gefuehl, { encoding: 'utf-8' })).rejects.toThrow(
      'a.csv, line 1 expected UTF-8 text, received 0xfc at byte 8; save it as UTF-8, or name its encoding (--dataset.encoding windows-1252, for example)',
    );
  });

  it('is UTF-8 still where a row of many is damaged, and that row is listed', async () => {
    const content = Buffer.concat([Buffer.from('id,text,label\n1,café,x\n2,"n\n'), Buffer.from([0xff]), Buffer.from('",y\n3,…,y\n')]); // prettier-ignore
    const { posts, rows, kept, dropped, notes } = await openFile('a.csv', content);
    expect([posts.map(([id]) => id), rows, kept]).toEqual([['1', '3'], 3, 2]); // prettier-ignore
    expect([dropped[0]?.line, dropped[0]?.reason]).toEqual([3, 'undecodable text']);
    expect(notes[0]).toMatch(/^a.csv: is UTF-8 but for some bytes, whose rows are not used/);
  });
});

describe('a table with other line ends', () => {
  it.each([
    ['posts.csv', CSV],
    ['posts.jsonl', LINES],
  ])('than "\\n" is read: %s', async (name, content) => {
    for (const end of ['\r\n', '\r'])
      expect((await openFile(name, content.replaceAll('\n', end))).posts).toEqual(POSTS);
  });

  it('may hold "\\n" in its cells, or behind its last line, where its lines end in "\\r"', async () => {
    const content = 'id,text,label\r1,"café\nau lait",x\r2,b,y\r\n3,c,x\r\n';
    const expected = [['1', 'café\nau lait', 'x'], ['2', 'b', 'y'], ['3', 'c', 'x']]; // prettier-ignore
    expect((await openFile('a.csv', content)).posts).toEqual(expected);
    expect((await openFile('a.csv', Buffer.from(content, 'utf16le'))).posts).toEqual(expected);
    const mixed = await openFile('a.csv', `${CSV}3,"one\rtwo",x\r\r\n`);
    expect(mixed.posts[2]?.[1]).toBe('one\rtwo');
  });

  it('may say what separates its cells', async () => {
    for (const first of ['sep=;', '"sep=;"', 'SEP=;', 'sep=;;;']) {
      expect((await openFile('a.csv', `${first}\r\n${CSV.replaceAll(',', ';')}`)).posts).toEqual(POSTS);
    }
    expect((await openFile('a.csv', `\ufeffsep=:\n${CSV.replaceAll(',', ':')}`)).posts).toEqual(POSTS);
  });
});

describe('ids and labels', () => {
  const [first, second] = ['1294030472427835393', '1294030472427835394'];

  it('keep all digits in JSON Lines and JSON', async () => {
    const rows = [first, second].map((id) => `{"id":${id},"text":"a","label":${id}}`);
    for (const [name, content] of [['a.jsonl', rows.join('\n')], ['a.json', `[${rows.join()}]`]] as const) {
      const { posts } = await openFile(name, content);
      expect(posts).toEqual([[first, 'a', first], [second, 'a', second]]); // prettier-ignore
    }
  }); // prettier-ignore

  it('in columns of decimals are exact where these are, else the rows are numbered and it is said', async () => {
    const file = join(await folderWith({}), 'a.parquet');
    const columnData = [
      { name: 'id', data: [7, Number(first), Number.NaN, 8], type: 'DOUBLE' as const },
      { name: 'text', data: ['a', 'b', 'c', 'd'], type: 'STRING' as const },
      { name: 'image', data: [Number.NaN, Number.NaN, Number.NaN, Number.NaN], type: 'DOUBLE' as const },
      { name: 'label', data: [0, 1, 1, 0], type: 'DOUBLE' as const },
    ];
    parquetWriteFile({ filename: file, columnData });
    const dataset = await openDataset({ name: 'posts', file });
    expect([dataset.records.map(({ id }) => id), dataset.classes]).toEqual([['7', 'row-2', 'row-3', '8'], ['0', '1']]); // prettier-ignore
    expect(dataset.ledger.toJSON().notes).toEqual([
      {
        message: 'a.parquet: an id that was rounded when it was stored as a decimal; named by the row',
        ids: ['row-2'],
      },
      { message: 'a.parquet: no id that can be used; named by the row', ids: ['row-3'] },
    ]);
  });

  it('as ids: words for nothing are none', async () => {
    const { posts, notes } = await openFile('a.csv', 'id,text,label\nnan,a,x\n7,b,y\nnan,c,x\nNone,d,y\n');
    expect(posts.map(([id]) => id)).toEqual(['row-1', '7', 'row-3', 'row-4']);
    expect(notes).toEqual(['a.csv: no id that can be used; named by the row']);
  });

  it('as labels: 1 and 1.0 are one class where all are whole numbers', async () => {
    const table = (...labels: string[]) => `text,label\n${labels.map((label) => `t,${label}`).join('\n')}\n`;
    const of = async (content: string, options?: Partial<OpenOptions>) => {
      const { posts, notes } = await openFile('a.csv', content, options);
      return [posts.map(([, , label]) => label), notes.slice(1)];
    };
    const note = 'labels are whole numbers; "1.0" is read as "1"';
    expect(await of(table('1', '1.0', '0'))).toEqual([['1', '1', '0'], [note]]);
    expect((await of(table('1.0', '0.0', 'nan')))[0]).toEqual(['1', '0', 'nan']);
    expect((await of(table('1', '1.0', '0.5')))[0]).toEqual(['1', '1.0', '0.5']);
    expect((await of(table('1', '1.0', 'v1.0')))[0]).toEqual(['1', '1.0', 'v1.0']);
    expect((await of(table('1.0', '0'), { classes: ['0', '1'] }))[0]).toEqual(['1', '0']);
  });
});

describe('words for nothing', () => {
  const words = ['null', 'NaN', 'None', 'NULL', 'NA', 'N/A', '<NA>', ' nan '];

  it('are no image, unless a file has that name; texts stay as written', async () => {
    const folder = await folderWith({
      'a.csv': `text,image,label\n${words.map((word, index) => `${word},${word},${index % 2}`).join('\n')}\nlast,none.jpg,1\n`,
      na: 'a file',
    });
    const dataset = await openDataset({ name: 'posts', file: join(folder, 'a.csv') });
    const texts = await Promise.all(dataset.records.map((record) => dataset.readText(record)));
    expect(texts).toEqual(words.map((word) => word.trim()));
    expect(dataset.records.every(({ image }) => image === null)).toBe(true);
    expect(dataset.ledger.dropped.map(({ reason }) => reason)).toEqual(['missing image']);
    expect(dataset.ledger.toJSON().notes.at(-1)).toEqual({ message: '"nan" in the column of images, taken as no image', ids: ['8'] }); // prettier-ignore
    const there = await folderWith({ 'a.csv': 'image,label\nna,1\nNA,0\n', na: 'a file' });
    expect((await openDataset({ name: 'posts', file: join(there, 'a.csv') })).records[0]?.image?.description).toBe(
      'na',
    );
  });

  it('in a JSON array are as in JSON Lines', async () => {
    const rows = ['{"image":null,"text":"a","label":"x"}', '{"text":"b","label":"y"}', '{"image":"NaN","text":"c","label":"y"}', '{"image":NaN,"text":"d","label":"y"}']; // prettier-ignore
    const [lines, array] = [await openFile('a.jsonl', rows.join('\n')), await openFile('a.json', `[${rows.join()}]`)];
    expect(array.posts).toEqual(lines.posts);
    expect(array.posts.map(([id]) => id)).toEqual(['1', '2', '3', '4']);
  });
});
