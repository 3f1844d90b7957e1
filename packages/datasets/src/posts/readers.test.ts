import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetWriteFile } from 'hyparquet-writer';
import type { StoredFile } from '@drf/files';
import { DataError } from '@drf/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCsv } from './csv.js';
import { readJsonArray, readJsonLines } from './json.js';
import { readLines, type TextForm } from './lines.js';
import { openNamedFile } from './named-file.js';
import { readParquet } from './parquet.js';
import type { RawRow } from './row.js';

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'drf-readers-'))));
afterAll(() => rm(folder, { recursive: true, force: true }));

async function file(name: string, content: string | Uint8Array): Promise<StoredFile> {
  const path = join(folder, name);
  await writeFile(path, content);
  return openNamedFile(path);
}

async function rowsOf(rows: AsyncIterable<RawRow>): Promise<unknown[]> {
  const result: unknown[] = [];
  for await (const row of rows) result.push([row.line, 'error' in row ? row.error.message : row.cells]);
  return result;
}

describe('readLines', () => {
  it('takes off whatever ends a line, and decodes each by itself', async () => {
    const content = Buffer.concat([Buffer.from('\ufeffa\r\n'), Buffer.from([0xe9, 0x0a]), Buffer.from('c')]);
    const lines = async (path: StoredFile, form?: TextForm) => {
      const result: unknown[] = [];
      for await (const { text, end, error } of readLines(path, 100, form)) result.push([text, end, error !== null]);
      return result;
    };
    const path = await file('ends.txt', content);
    expect(await lines(path)).toEqual([['a', '\r\n', false], ['\ufffd', '\n', true], ['c', '', false]]); // prettier-ignore
    expect((await lines(path, { encoding: 'windows-1252', lineEnd: '\n' }))[1]).toEqual(['é', '\n', false]);
    const mac = await file('mac.txt', 'a\rb\r');
    expect(await lines(mac, { encoding: 'utf-8', lineEnd: '\r' })).toEqual([['a', '\r', false], ['b', '\r', false]]); // prettier-ignore
    const wide = await file('wide.txt', Buffer.from('\ufeffĊ😀\r\nb', 'utf16le')); // Ċ has a byte 0x0a
    const cut = await file('cut.txt', Buffer.concat([Buffer.from('a\ud83d\nb\nc', 'utf16le'), Buffer.from([7])]));
    expect(await lines(cut, { encoding: 'utf-16le', lineEnd: '\n' })).toEqual([['a\ufffd', '\n', false], ['b', '\n', false], ['c\ufffd', '', false]]); // prettier-ignore
    expect(await lines(wide, { encoding: 'utf-16le', lineEnd: '\n' })).toEqual([['Ċ😀', '\r\n', false], ['b', '', false]]); // prettier-ignore
  });

  it('gives lines with and without a closing newline, across chunks, and marks those too long', async () => {
    const long = 'x'.repeat(200_000);
    const path = await file('lines.txt', `a\n${long}\n\nb`);
    const lines: (readonly [number, number | null])[] = [];
    for await (const { number, text, error } of readLines(path, 100_000)) {
      lines.push([number, error === null ? text.length : null]);
    }
    expect(lines).toEqual([[1, 1], [2, null], [3, 0], [4, 1]]); // prettier-ignore
  });
});

describe('readJsonLines', () => {
  it('reports wrong lines with their number and goes on', async () => {
    const good = '{"id":1,"text":"a","label":"x"}';
    const path = await file('posts.jsonl', Buffer.concat([
      Buffer.from(`${good}\r\n\n{"id":2,\n[1]\n{"id":"`),
      Buffer.from([0xff]),
      Buffer.from(`"}\n${good}`),
    ])); // prettier-ignore
    const rows = await rowsOf(readJsonLines(path));
    expect(rows.map((row) => (row as [number])[0])).toEqual([1, 3, 4, 5, 6]);
    expect(rows[0]).toEqual([1, { id: 1, text: 'a', label: 'x' }]);
    expect(rows[1]).toEqual([
      3,
      expect.stringMatching(
        /^posts.jsonl, line 3 expected a JSON object with label, and text or image, received .*; correct or remove the line$/,
      ),
    ]);
    expect(rows[2]).toEqual([4, expect.stringContaining('received an array')]);
    expect(rows[3]).toEqual([5, expect.stringContaining('expected UTF-8 text, received 0xff at byte 7')]);
  });
});

describe('readCsv', () => {
  it('reads quoted cells over lines, a byte order mark and empty cells; names a record by its first line', async () => {
    const path = await file('posts.csv', '\ufeff"id",text,label\r\n1,"a\n""b"", c",x\n2,,y\n3,it"s,z\n');
    expect(await rowsOf(readCsv(path))).toEqual([
      [2, { id: '1', text: 'a\n"b", c', label: 'x' }],
      [4, { id: '2', text: null, label: 'y' }],
      [5, { id: '3', text: 'it"s', label: 'z' }],
    ]);
  });

  it('reports rows with too few or too many cells, and wrong bytes, and goes on', async () => {
    const path = await file('bad.csv', Buffer.concat([
      Buffer.from('id,text,label\n1,a\n2,b,c,d\n3,'), Buffer.from([0xff]), Buffer.from(',x\n4,ok,x\n5,more,x,, \n'),
    ])); // prettier-ignore
    expect(await rowsOf(readCsv(path))).toEqual([
      [2, 'bad.csv, line 2 expected 3 cells, as in the header, received 2 cells; put quotes around cells that hold separators or line breaks, and double quotes inside them'], // prettier-ignore
      [3, expect.stringContaining('received 4 cells')],
      [
        4,
        'bad.csv, line 4 expected UTF-8 text, received 0xff at byte 2; save it as UTF-8, or name its encoding (--dataset.encoding windows-1252, for example)',
      ],
      [5, { id: '4', text: 'ok', label: 'x' }],
      [6, { id: '5', text: 'more', label: 'x' }], // what is too much holds nothing
    ]);
  });

  it('refuses a file without a header, or without content, by name', async () => {
    const bare = await file('bare.csv', '1,hello there,positive\n2,bye,negative\n');
    const error = await rowsOf(readCsv(bare)).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toBe(
      `The header of ${bare.name} expected columns named label (or sentiment, class, …), and text or image (or both), each once, received "1", "hello there", "positive"; add a header row that names the columns, or say which is which (--columns label=NAME,text=NAME,image=NAME)`,
    );
    await expect(rowsOf(readCsv(await file('empty.csv', '')))).rejects.toThrow(/received no columns/);
    await expect(rowsOf(readCsv(await file('twice.csv', 'id,label,text,text\n')))).rejects.toThrow(/each once/);
  });

  it('finds separators by the header, whatever the ending', async () => {
    const rows = [[2, { text: 'a, b', label: 'x' }]];
    for (const [name, content] of [
      ['semicolons.csv', 'text;label\na, b;x\n'],
      ['tabs.csv', 'text\tlabel\r\na, b\tx\r\n'],
      ['bars.tsv', 'text|label\na, b|x\n'],
      ['quoted.csv', '"text"\t"label"\n"a, b"\t"x"'],
      ['commas.tsv', 'text,label\n"a, b",x\n'],
      ['marked.csv', '\ufefftext;label\na, b;x'],
    ] as const) {
      expect(await rowsOf(readCsv(await file(name, content))), name).toEqual(rows);
    }
    const strange = await file('strange.csv', '"text; more, and more";label;notes\na;x;\n');
    const named = { text: 'text; more, and more' };
    expect(await rowsOf(readCsv(strange, { named }))).toEqual([[2, { text: 'a', label: 'x' }]]);
  });

  it('reads on behind a text of 10 MB', async () => {
    const path = await file('long.csv', `text,label\n"${`${'word '.repeat(20)}\n`.repeat(100_000)}",x\nb,y\n`);
    const rows = (await rowsOf(readCsv(path))) as [number, { label: string }][];
    expect(rows.map(([line, { label }]) => [line, label])).toEqual([[2, 'x'], [100_003, 'y']]); // prettier-ignore
  });

  it('lists the lines behind a quote that opens and never closes, with bounded memory', async () => {
    const path = await file('swallow.csv', `id,text,label\n1,a,x\n2,"${`${'b'.repeat(999)}\n`.repeat(40_000)}3,c,x\n`);
    const rows = await rowsOf(readCsv(path));
    expect(rows).toHaveLength(40_002);
    expect([rows[1], rows[40_001]]).toEqual([
      [3, expect.stringContaining('received 2 cells')],
      [40_003, { id: '3', text: 'c', label: 'x' }],
    ]);
  });

  it('reads many rows, in order', async () => {
    const lines = Array.from({ length: 20_000 }, (_, i) => `${i},text ${i},x`);
    const rows = await rowsOf(
      readCsv(await file('many.tsv', ['id,text,label', ...lines].join('\n').replaceAll(',', '\t'))),
    );
    expect(rows).toHaveLength(20_000);
    expect(rows[19_999]).toEqual([20_001, { id: '19999', text: 'text 19999', label: 'x' }]);
  });
});

describe('readParquet', () => {
  const columns = [
    { name: 'id', data: [1n, 2n, 3n], type: 'INT64' as const },
    { name: 'text', data: ['a', null, 'c'], type: 'STRING' as const },
    { name: 'label', data: ['x', 'y', 'x'], type: 'STRING' as const },
    { name: 'other', data: [1.5, 2.5, 3.5], type: 'DOUBLE' as const },
  ];

  it('reads only known columns, over several row groups', async () => {
    const path = join(folder, 'posts.parquet');
    parquetWriteFile({ filename: path, columnData: columns, rowGroupSize: 2 });
    expect(await rowsOf(readParquet(await openNamedFile(path)))).toEqual([
      [1, { id: 1n, text: 'a', label: 'x' }],
      [2, { id: 2n, text: null, label: 'y' }],
      [3, { id: 3n, text: 'c', label: 'x' }],
    ]);
  });

  it('refuses a cut-off file and one that lacks a column', async () => {
    const path = join(folder, 'no-label.parquet');
    parquetWriteFile({ filename: path, columnData: columns.filter((column) => column.name !== 'label') });
    await expect(rowsOf(readParquet(await openNamedFile(path)))).rejects.toThrow(
      /columns named label.*received "id", "text", "other"/,
    );
    const cut = await file('cut.parquet', Buffer.from('PAR1 and then nothing more'));
    await expect(rowsOf(readParquet(cut))).rejects.toThrow(/cut.parquet expected a whole Parquet file, received/);
  });
});

describe('readJsonArray', () => {
  it('says where the image of a post may lie that names none', async () => {
    const path = await file(
      'val.json',
      '[{"id":"5","text":"a","label":"x"},7,{"id":6,"emotion_label":2,"image":"i/6.png"}]',
    );
    expect(await rowsOf(readJsonArray(path))).toEqual([
      [1, { id: '5', text: 'a', label: 'x' }],
      [2, expect.stringMatching(/^val.json, row 2 expected a JSON object/)],
      [3, { id: 6, emotion_label: 2, image: 'i/6.png' }],
    ]);
  });

  it('refuses other JSON', async () => {
    await expect(rowsOf(readJsonArray(await file('object.json', '{}')))).rejects.toThrow(
      /object.json expected a JSON array of posts .* received object/,
    );
  });
});
