import type { RowError } from '../ledger.js';
import { ColumnShapes } from './column-shapes.js';
import { behindQuote, closingQuote, splitCells, splitLeniently, unescapeQuotes, type LineCells } from './csv-line.js';
import type { Line } from './lines.js';

/** A record may not be longer: a quote that never closes would otherwise hold the rest of any file in memory. */
export const MAXIMUM_RECORD_BYTES = 32 * 1024 * 1024;

/** Lines that are looked at ahead to learn what rows are like, where a table begins with a doubtful one. */
const LINES_LEARNED_AHEAD = 50;

/** A record of CSV: a line, or several where quoted cells hold line ends. */
export interface CsvRecord {
  readonly cells: readonly string[];
  /** The line that it begins in, from 1. */
  readonly line: number;
  /** Bytes of the file before that line. */
  readonly byte: number;
  /** What is worth knowing: a quote was read as part of its cell, or the lines could have been rows, too. */
  readonly doubt: 'quote as it stands' | 'lines like rows' | null;
  /** Why one of its lines cannot be used. */
  readonly error: RowError | null;
}

/** Lines of a file that can be looked at before they are taken. */
class LineQueue {
  private head = 0;

  constructor(
    private readonly source: AsyncIterator<Line>,
    private lines: Line[],
  ) {}

  /** The line so many places ahead, or `null` behind the last. */
  async at(ahead: number): Promise<Line | null> {
    while (this.head + ahead >= this.lines.length) {
      const { done, value } = await this.source.next();
      if (done === true) return null;
      this.lines.push(value);
    }
    return this.lines[this.head + ahead] as Line;
  }

  /** Lines that were looked at already. */
  seen(count: number): readonly Line[] {
    return this.lines.slice(this.head, this.head + count);
  }

  take(count: number): void {
    this.head += count;
    if (2 * this.head < this.lines.length) return;
    this.lines = this.lines.slice(this.head);
    this.head = 0;
  }
}

/**
 * Records of CSV (RFC 4180), with an account of every line: a quoted cell may hold line ends, but a quote that begins a
 * cell (as in `"what a day` of a tweet) and does not close before a separator or a line end takes no other line with it.
 * Such a record's first line is read by itself, its quote part of the cell, and the lines behind it likewise. So are lines
 * that would be one record only because a later cell happens to end with a quote, while each is a row like the others
 * ({@link ColumnShapes}). Time is linear in the file's size, as no two openings share a closing quote.
 */
export class CsvRecords {
  private readonly queue: LineQueue;
  private columns: number | null = null;
  private shapes = new ColumnShapes(0, -1, true);

  /** @param first lines that were read already */
  constructor(
    lines: AsyncIterator<Line>,
    private readonly separator: string,
    first: readonly Line[] = [],
  ) {
    this.queue = new LineQueue(lines, [...first]);
  }

  /** Says what the header was: how many cells a row has, and which of them is the text (−1: none). */
  expect(columns: number, textColumn: number): void {
    this.columns = columns;
    this.shapes = new ColumnShapes(columns, textColumn, [',', ';'].includes(this.separator));
  }

  /** Whether nothing more is learned of what rows are like, so that a record depends on itself and the lines behind it. */
  get isSettled(): boolean {
    return this.shapes.isSettled;
  }

  /** Records of the same table from another place of it on. Right only once this {@link isSettled}. */
  goOn(lines: AsyncIterator<Line>): CsvRecords {
    const records = new CsvRecords(lines, this.separator);
    records.columns = this.columns;
    records.shapes = this.shapes;
    return records;
  }

  /** The next record, or `null` at the end. Empty lines are passed over. */
  async next(): Promise<CsvRecord | null> {
    for (;;) {
      const line = await this.queue.at(0);
      if (line === null) return null;
      if (line.text === '' && line.error === null) {
        this.queue.take(1);
        continue;
      }
      const cells = splitCells(line.text, this.separator, 0, false);
      if (cells.open !== null) {
        const record = await this.overLines(line, cells);
        if (record !== null) return record;
      }
      this.queue.take(1);
      return this.ofLine(line, cells);
    }
  }

  /** A line by itself. A cell with a misplaced quote is read as it stands, or to the quote that fits the header. */
  private ofLine(line: Line, found: LineCells): CsvRecord {
    const { cells, isBroken } = found.open === null ? found : splitCells(line.text, this.separator);
    const fits = (candidate: readonly string[]): boolean => candidate.length === this.columns;
    const lenient = isBroken && !fits(cells) ? splitLeniently(line.text, this.separator) : cells;
    const chosen = fits(lenient) ? lenient : cells;
    if (!isBroken && fits(chosen) && line.error === null) this.shapes.learn(chosen);
    const doubt = isBroken ? ('quote as it stands' as const) : null;
    return { cells: chosen, line: line.number, byte: line.byte, doubt, error: line.error };
  }

  /** A record with line ends in quoted cells; `null` where its quotes do not close, or the lines are rows themselves. */
  private async overLines(first: Line, start: LineCells): Promise<CsvRecord | null> {
    const cells = [...start.cells];
    let pieces = [start.open as string, first.end];
    let error = first.error;
    let size = first.text.length;
    for (let count = 1; ; count++) {
      const line = await this.queue.at(count);
      if (line === null) return null;
      size += line.text.length;
      if (size > MAXIMUM_RECORD_BYTES) return null;
      error ??= line.error;
      const quote = closingQuote(line.text, 0);
      if (quote === -1) {
        pieces.push(line.text, line.end);
        continue;
      }
      const next = behindQuote(line.text, quote, this.separator);
      if (next === -1) return null;
      cells.push(unescapeQuotes([...pieces, line.text.slice(0, quote)].join('')));
      if (next < line.text.length) {
        const rest = splitCells(line.text, this.separator, next + 1, false);
        cells.push(...rest.cells);
        if (rest.isBroken || (this.columns !== null && cells.length > this.columns)) return null;
        if (rest.open !== null) {
          pieces = [rest.open, line.end];
          continue;
        }
      }
      if (this.columns !== null && cells.length !== this.columns) return null;
      const likeRows = this.areLikeRows(count + 1);
      if (likeRows && (await this.areRows(count + 1))) return null;
      this.queue.take(count + 1);
      return { cells, line: first.number, byte: first.byte, doubt: likeRows ? 'lines like rows' : null, error };
    }
  }

  /** Whether the first and the last of the next lines have as many cells as a row. */
  private areLikeRows(count: number): boolean {
    if (this.columns === null || this.columns < 2) return false;
    const lines = this.queue.seen(count);
    return [lines[0], lines[count - 1]].every(
      (line) => splitCells((line as Line).text, this.separator).cells.length === this.columns,
    );
  }

  /** Whether lines are rows by themselves, by their cells: the first, the last, and at least half of those between. */
  private async areRows(count: number): Promise<boolean> {
    if (this.shapes.isYoung) await this.learnAhead(count);
    const lines = this.queue.seen(count);
    const cellsOf = ({ text }: Line): readonly string[] => splitCells(text, this.separator).cells;
    const fits = (line: Line): boolean => this.shapes.fits(cellsOf(line));
    const first = cellsOf(lines[0] as Line).map((cell) => cell.replace(/^\s*"/, '')); // the quotes in doubt count for nothing
    const last = cellsOf(lines[count - 1] as Line).map((cell) => cell.replace(/"\s*$/, ''));
    if (!this.shapes.fits(first) || !this.shapes.fits(last)) return false;
    const between = lines.slice(1, -1).filter(({ text }) => text !== '');
    return between.filter(fits).length >= between.length / 2;
  }

  private async learnAhead(from: number): Promise<void> {
    for (let ahead = from; ahead < from + LINES_LEARNED_AHEAD; ahead++) {
      const line = await this.queue.at(ahead);
      if (line === null) return;
      if (line.text.includes('"') || line.error !== null) continue;
      const { cells } = splitCells(line.text, this.separator);
      if (cells.length === this.columns) this.shapes.learn(cells);
    }
  }
}
