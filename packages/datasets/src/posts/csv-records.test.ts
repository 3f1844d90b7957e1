// Quotes as people leave them: every line of a file is part of a row or of an error, and well-formed CSV reads as it should.
import { parse } from 'csv-parse/sync';
import { createRandom } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { CsvRecords } from './csv-records.js';
import type { Line } from './lines.js';

async function* linesOf(text: string): AsyncGenerator<Line> {
  const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  for (const [index, line] of lines.entries()) {
    const [, content = '', end = ''] = /^(.*?)(\r?\n|)$/s.exec(line) ?? [];
    yield await Promise.resolve({ byte: 0, number: index + 1, text: content, end, error: null });
  }
}

/** The records behind the header: their lines and cells, and whether a quote was read as it stands. */
async function read(text: string, separator = ',', textColumn = 1): Promise<[number, readonly string[], boolean][]> {
  const records = new CsvRecords(linesOf(text), separator);
  const header = await records.next();
  records.expect(header?.cells.length ?? 0, textColumn);
  const result: [number, readonly string[], boolean][] = [];
  for (let next = await records.next(); next !== null; next = await records.next()) {
    result.push([next.line, next.cells, next.doubt === 'quote as it stands']);
  }
  return result;
}

const rows = (from: number, to: number, separator = ',') =>
  Array.from({ length: to - from + 1 }, (_, index) => `${from + index},text,images/${from + index}.png,happy`.replaceAll(',', separator)); // prettier-ignore
const HEADER = 'id,text,image,label';

describe('CsvRecords', () => {
  it.each([
    ['closes nowhere', '"what a day', '"and another'],
    ['closes in the middle', '"what" a day', 'so "they" said'],
    ['seems to close at the end of a later cell', '"what a day', 'they said no"'],
    ['seems to close after another cell', '"what a day', '"they" said "no"'],
    ['is all there is', '"', 'nothing"'],
  ])('reads a cell as it stands whose quote %s, with any separator', async (_, opening, later) => {
    for (const separator of [',', ';', '\t', '|']) {
      const row = (id: number, text: string) => [String(id), text, `images/${id}.png`, 'sad'].join(separator);
      const lines = [HEADER.replaceAll(',', separator), ...rows(1, 4, separator), row(5, opening), ...rows(6, 8, separator), row(9, later), ...rows(10, 12, separator)]; // prettier-ignore
      const found = await read(lines.join('\r\n'), separator);
      expect(found.map(([line]) => line)).toEqual(Array.from({ length: 12 }, (__, index) => index + 2));
      expect(found[4]).toEqual([6, ['5', opening, 'images/5.png', 'sad'], true]);
      expect(found[8]?.[1]).toEqual(['9', later, 'images/9.png', 'sad']);
      expect(found[5]?.[2]).toBe(false);
    }
  });

  it.each([
    ['ids', 0],
    ['images', 2],
    ['labels', 3],
  ])('does so in the column of %s, where a later cell of it ends with a quote', async (_, column) => {
    for (const separator of [',', ';', '\t', '|']) {
      const table = rows(1, 12, separator).map((line) => line.split(separator));
      const [opening, closing] = [table[4] as string[], table[8] as string[]];
      opening[column] = `"${opening[column]}`;
      closing[column] = `${closing[column]}"`;
      const text = [HEADER.replaceAll(',', separator), ...table.map((cells) => cells.join(separator))].join('\n');
      expect((await read(text, separator)).map(([, cells]) => cells)).toEqual(table);
    }
  });

  it('does so at the very start, where no other rows are known yet', async () => {
    const lines = [HEADER, '1,"open,images/1.png,sad', '2,close",images/2.png,happy', '3,c,images/3.png,sad'];
    expect((await read(lines.join('\n'))).map(([line]) => line)).toEqual([2, 3, 4]);
    expect(await read(lines.slice(0, 3).join('\n'))).toHaveLength(2);
  });

  it('reads quoted cells with line ends, separators and quotes in them', async () => {
    const long = [
      'id,text,label', '1,"Hello, you', 'and, well, you",happy', '2,plain,sad', '3,"a, b', 'c, d', 'e, f",happy',
      '4,"""quoted""', '', 'and blank lines"  ,sad', '5,"one', 'two","hap', 'py"', '6,"x", sad', '7,y,happy',
    ]; // prettier-ignore
    expect(await read(long.join('\n'))).toEqual([
      [2, ['1', 'Hello, you\nand, well, you', 'happy'], false],
      [4, ['2', 'plain', 'sad'], false],
      [5, ['3', 'a, b\nc, d\ne, f', 'happy'], false],
      [8, ['4', '"quoted"\n\nand blank lines', 'sad'], false],
      [11, ['5', 'one\ntwo', 'hap\npy'], false],
      [14, ['6', 'x', ' sad'], false],
      [15, ['7', 'y', 'happy'], false],
    ]);
    const two = 'text,label\nfine,x\n"Hello, you\nbye",x\n"to, you",y\n';
    expect((await read(two, ',', 0)).map(([, cells]) => cells)).toEqual([['fine', 'x'], ['Hello, you\nbye', 'x'], ['to, you', 'y']]); // prettier-ignore
  });

  it('takes empty cells for cells where others are empty, or tabs separate', async () => {
    const lines = ['id,text,image,label', '1,a,,sad', '2,"open,,happy', '3,c,x.png,sad', '4,close",,happy', '5,e,,sad'];
    expect(await read(lines.join('\n'))).toHaveLength(5);
    const tabs = ['text\timage', 'a\tx.png', '"open\t', 'close"\t', 'c\tx.png'];
    expect(await read(tabs.join('\n'), '\t', 0)).toHaveLength(4);
    expect(await read('text,label\na,x\n"Hello,\nbye",x\nc,x', ',', 0)).toHaveLength(3);
  });

  it('says so where lines that are read as a text could be rows', async () => {
    const records = new CsvRecords(linesOf('text,label\na,x\n"Hello, you\nbye",x\n"b\nc",x\n'), ',');
    await records.next();
    records.expect(2, 0);
    const found = [await records.next(), await records.next(), await records.next()];
    expect(found.map((record) => record?.doubt)).toEqual([null, 'lines like rows', null]);
  });

  it('lists lines one by one where a record over several of them does not fit the header', async () => {
    const found = await read(`${HEADER}\n1,"a\nb",images/1.png\n2,c,images/2.png,sad\n`);
    expect(found.map(([line, cells]) => [line, cells.length])).toEqual([[2, 2], [3, 2], [4, 4]]); // prettier-ignore
  });

  it('takes blanks between separators and quotes away, and finds the end of quotes that are not doubled', async () => {
    const found = await read(`${HEADER}\n1, "best, ever" , "images/1.png", happy\n2,"he said "hi, you" there",images/2.png,sad\n`); // prettier-ignore
    expect(found).toEqual([
      [2, ['1', 'best, ever', 'images/1.png', ' happy'], false],
      [3, ['2', 'he said "hi, you" there', 'images/2.png', 'sad'], true],
    ]);
  });

  it('reads what a well-formed writer writes as csv-parse does', async () => {
    const random = createRandom(7);
    const pieces = ['a', 'b c', ',', '"', '\n', '\r\n', ';', '""', ' ', 'é😀', '1.png'];
    for (let file = 0; file < 50; file++) {
      const of = random.fork(file);
      const cell = (row: number, column: number): string => {
        const from = of.fork(`${row} ${column}`);
        const content = Array.from({ length: from.integer(6) }, () => pieces[from.integer(pieces.length)]).join('');
        return /[",\r\n]|^ | $/.test(content) || from.integer(3) === 0 ? `"${content.replaceAll('"', '""')}"` : content;
      };
      const content = Array.from({ length: 12 }, (_, row) => ['k', 'long word of a header', 'c'].map((name, column) => (row === 0 ? name : cell(row, column))).join(',')).join('\n'); // prettier-ignore
      const expected = (parse(content, { skip_empty_lines: true }) as string[][]).slice(1);
      expect((await read(content)).map(([, cells]) => cells)).toEqual(expected);
    }
  });

  it('needs time in proportion to the file, however quotes stand', async () => {
    const seconds = async (line: string, count: number): Promise<number> => {
      const started = process.cpuUsage(); // not the clock: others work on the machine
      await read(`${HEADER}\n${`${line}\n`.repeat(count)}`);
      const { user, system } = process.cpuUsage(started);
      return (user + system) / 1e6;
    };
    for (const line of ['1,"open,images/1.png,sad', '1,"""open,images/1.png,sad', 'x",y,"z', '","', '"']) {
      await seconds(line, 1000);
      const [short, long] = [await seconds(line, 5000), await seconds(line, 40_000)];
      expect(long, line).toBeLessThan(Math.max(40 * short, 1));
    }
  });
});
