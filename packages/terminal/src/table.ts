import Table from 'cli-table3';

/** What a cell of a table holds. */
export type Cell = string | number;

/** A table for people. Numbers align to the right, texts to the left; box lines stay thin. */
export function formatTable(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const numeric = head.map((_, column) => rows.length > 0 && rows.every((row) => isNumeric(row[column])));
  const table = new Table({
    head: [...head],
    colAligns: numeric.map((isNumber) => (isNumber ? 'right' : 'left')),
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) table.push(row.map(String));
  return table.toString();
}

function isNumeric(cell: Cell | undefined): boolean {
  return typeof cell === 'number' || (typeof cell === 'string' && /^[-+±]?[\d.,]+( ?(%|±|ms|s|posts).*)?$/.test(cell));
}

/** Comma-separated values with quotes where they are needed (RFC 4180). */
export function formatCsv(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const quote = (cell: Cell): string =>
    /[",\r\n]/.test(String(cell)) ? `"${String(cell).replaceAll('"', '""')}"` : String(cell);
  return [head, ...rows].map((row) => `${row.map(quote).join(',')}\r\n`).join('');
}

/** A share as a percentage with one decimal: 0.6812 → "68.1". */
export function percent(share: number): string {
  return (100 * share).toFixed(1);
}
