/** Cells of a line of CSV. */
export interface LineCells {
  readonly cells: readonly string[];
  /** A quote opened a cell and what follows its closing one is no separator, or it never closes: read as it stands. */
  readonly isBroken: boolean;
  /** The beginning of a last cell whose quote the line does not close; it is not among `cells`. */
  readonly open: string | null;
}

/** Index of the quote that closes a cell, from a place inside it on; two quotes are one inside. −1 where none does. */
export function closingQuote(line: string, from: number): number {
  for (let at = line.indexOf('"', from); at !== -1; at = line.indexOf('"', at + 2)) {
    if (line[at + 1] !== '"') return at;
  }
  return -1;
}

/** The place behind blanks, and behind tabs where these do not separate. */
function behindBlanks(line: string, from: number, separator: string): number {
  let at = from;
  while (line[at] === ' ' || (line[at] === '\t' && separator !== '\t')) at++;
  return at;
}

/**
 * Where a closing quote is followed by a separator or the line's end, the place of that; else −1. Blanks between the two
 * do not count.
 */
export function behindQuote(line: string, quote: number, separator: string): number {
  const next = behindBlanks(line, quote + 1, separator);
  return next === line.length || line[next] === separator ? next : -1;
}

export function unescapeQuotes(content: string): string {
  return content.replaceAll('""', '"');
}

/**
 * Splits a line into cells. A cell is quoted (RFC 4180) where a quote begins it, blanks apart, and a separator or the
 * line's end follows the closing one; any other cell is read as it stands.
 * @param from where to start
 * @param isWhole the line stands for itself: a quote that it does not close is part of its cell
 */
export function splitCells(line: string, separator: string, from = 0, isWhole = true): LineCells {
  const cells: string[] = [];
  let isBroken = false;
  for (let start = from; ;) {
    const first = behindBlanks(line, start, separator);
    if (line[first] === '"') {
      const closing = closingQuote(line, first + 1);
      if (closing === -1 && !isWhole) return { cells, isBroken, open: line.slice(first + 1) };
      const next = closing === -1 ? -1 : behindQuote(line, closing, separator);
      if (next !== -1) {
        cells.push(unescapeQuotes(line.slice(first + 1, closing)));
        if (next === line.length) return { cells, isBroken, open: null };
        start = next + 1;
        continue;
      }
      isBroken = true;
    }
    const end = line.indexOf(separator, start);
    cells.push(end === -1 ? line.slice(start) : line.slice(start, end));
    if (end === -1) return { cells, isBroken, open: null };
    start = end + 1;
  }
}

/**
 * Cells of a line whose quotes are not doubled inside quoted cells (`"he said "hi, you" there"`): a quote closes only
 * where a separator or the line's end follows.
 */
export function splitLeniently(line: string, separator: string): string[] {
  const cells: string[] = [];
  for (let start = 0; ;) {
    const first = behindBlanks(line, start, separator);
    let next = -1;
    if (line[first] === '"') {
      for (
        let quote = line.indexOf('"', first + 1);
        quote !== -1 && next === -1;
        quote = line.indexOf('"', quote + 1)
      ) {
        next = behindQuote(line, quote, separator);
        if (next !== -1) cells.push(unescapeQuotes(line.slice(first + 1, quote)));
      }
    }
    if (next === -1) {
      next = line.indexOf(separator, start);
      if (next === -1) next = line.length;
      cells.push(line.slice(start, next));
    }
    if (next === line.length) return cells;
    start = next + 1;
  }
}

const DELIMITERS = [',', ';', '\t', '|'] as const;

/** The separator that a line `sep=;` names, with which Excel lets a file begin; `null` for other lines. */
export function namedSeparator(line: string): string | null {
  return /^"?sep=([^"\s\w]|\t)"?[,;|\t]*$/i.exec(line)?.[1] ?? null;
}

/**
 * What separates a CSV file's cells: of the known separators the one that stands most often in its first line, outside
 * quotes. Where none does, a comma, or a tab in `.tsv`.
 */
export function sniffDelimiter(path: string, firstLine: string): string {
  const counts = new Map<string, number>(DELIMITERS.map((delimiter) => [delimiter, 0]));
  let isQuoted = false;
  for (const character of firstLine) {
    if (character === '"') isQuoted = !isQuoted;
    else if (!isQuoted && counts.has(character)) counts.set(character, (counts.get(character) as number) + 1);
  }
  const usual = /\.tsv(\.gz)?$/i.test(path) ? '\t' : ',';
  return DELIMITERS.reduce<string>(
    (best, next) => ((counts.get(next) as number) > (counts.get(best) as number) ? next : best),
    usual,
  );
}
