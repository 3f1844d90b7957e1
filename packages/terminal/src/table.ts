import Table from 'cli-table3';
import { stringify } from 'csv-stringify/sync';
import { printable } from './printable.js';

/** What a cell of a table holds. */
export type Cell = string | number;

/** A table for people. Numbers align to the right, texts to the left; box lines stay thin. */
export function formatTable(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const numeric = head.map((_, column) => rows.length > 0 && rows.every((row) => isNumeric(row[column])));
  const cellText = (cell: Cell): string => printable(String(cell), { layout: false });
  const table = new Table({
    head: head.map(cellText),
    colAligns: numeric.map((isNumber) => (isNumber ? 'right' : 'left')),
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) table.push(row.map(cellText));
  return table.toString();
}

function isNumeric(cell: Cell | undefined): boolean {
  return typeof cell === 'number' || (typeof cell === 'string' && /^[-+±]?[\d.,]+( ?(%|±|ms|s|posts).*)?$/.test(cell));
}

/** How comma-separated values are written. */
export interface CsvOptions {
  /**
   * Texts as they are, for programs. Otherwise those that a spreadsheet would run as a formula, since they begin with
   * `=`, `+`, `-`, `@`, a tab or a carriage return, get an apostrophe in front. Numbers never do.
   */
  readonly raw?: boolean;
}

/**
 * Comma-separated values (RFC 4180) with quotes where they are needed.
 * Formulas: https://owasp.org/www-community/attacks/CSV_Injection
 */
export function formatCsv(
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
  { raw = false }: CsvOptions = {},
): string {
  const cells = [head, ...rows].map((row) => row.map(asNumber));
  return stringify(cells, { escape_formulas: !raw, quoted_match: /[\r\n]/, record_delimiter: '\r\n' });
}

/** A text that is a plain number ("-0.5", the label "-1") is one to a spreadsheet, and no formula. */
function asNumber(cell: Cell): Cell {
  return typeof cell === 'string' && cell !== '' && String(Number(cell)) === cell && cell !== 'NaN'
    ? Number(cell)
    : cell;
}

/** A share as a percentage with one decimal: 0.6812 → "68.1". */
export function percent(share: number): string {
  return withoutZeroSign((100 * share).toFixed(1));
}

/** A written number without the sign of a zero: "-0.0", to which a small number is rounded, as "0.0". */
export function withoutZeroSign(text: string): string {
  return text.replace(/^-(?=[0.]+$)/, '');
}
