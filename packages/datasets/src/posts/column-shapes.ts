/** Rows that shapes are learned from. */
const LEARNED_ROWS = 1000;

/** What a column's cells have in common. */
interface Shape {
  readonly values: Set<string>;
  allDigits: boolean;
  allWithEnding: boolean;
  startsBlank: boolean;
  hasQuotes: boolean;
  mostWords: number;
}

const ENDING = /\.\w{2,5}$/;

function wordsOf(cell: string): number {
  return cell.trim().split(/\s+/).length;
}

/**
 * What the columns of a table look like apart from its texts: ids of digits, paths with endings, labels of a word. Tells
 * whether lines of a file are rows of it, or lines of a text that only happen to have as many separators.
 */
export class ColumnShapes {
  private readonly shapes: Shape[];
  private rows = 0;

  constructor(
    private readonly columns: number,
    /** Index of the column of texts, which may look like anything. */
    private readonly textColumn: number,
    /** Prose has commas and semicolons, hardly ever at the end of a line; tabs and bars are cells, empty ones as well. */
    private readonly isProseLike: boolean,
  ) {
    this.shapes = Array.from({ length: columns }, () => ({
      values: new Set<string>(),
      allDigits: true,
      allWithEnding: true,
      startsBlank: false,
      hasQuotes: false,
      mostWords: 0,
    }));
  }

  /** Whether so few rows were seen that others should be looked at first. */
  get isYoung(): boolean {
    return this.rows < 10;
  }

  /** Whether enough rows were seen, so that no further one changes anything. */
  get isSettled(): boolean {
    return this.rows >= LEARNED_ROWS;
  }

  learn(cells: readonly string[]): void {
    if (this.isSettled) return;
    this.rows++;
    for (const [column, shape] of this.shapes.entries()) {
      const cell = cells[column] as string;
      if (column === this.textColumn) continue;
      shape.values.add(cell);
      if (cell.trim() === '') continue;
      shape.allDigits &&= /^\s*\d+\s*$/.test(cell);
      shape.allWithEnding &&= ENDING.test(cell);
      shape.startsBlank ||= /^\s/.test(cell);
      shape.hasQuotes ||= cell.includes('"');
      shape.mostWords = Math.max(shape.mostWords, wordsOf(cell));
    }
  }

  /** Whether cells could be a row of the table. Of a table of which nothing is known, by what ids and labels are like. */
  fits(cells: readonly string[]): boolean {
    if (cells.length !== this.columns) return false;
    return this.shapes.every(
      (shape, column) => column === this.textColumn || this.fitsColumn(cells[column] as string, shape),
    );
  }

  private fitsColumn(cell: string, shape: Shape): boolean {
    if (shape.values.has(cell) || (cell === '' && !this.isProseLike)) return true;
    if (cell.includes('"') && !shape.hasQuotes) return false;
    if (/^\s/.test(cell) && !shape.startsBlank) return false;
    if (shape.mostWords === 0) return wordsOf(cell) <= 3; // nothing is known of the column
    if (cell.trim() === '') return false;
    if (shape.allDigits && !/^\s*\d+\s*$/.test(cell)) return false;
    if (shape.allWithEnding && !ENDING.test(cell)) return false;
    return wordsOf(cell) <= shape.mostWords;
  }
}
