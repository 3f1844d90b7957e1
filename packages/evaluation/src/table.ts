import type { TableData } from '@drf/experiment';
import type { Interval, SeedSummary } from '@drf/metrics';
import { formatTable, percent, withoutZeroSign } from '@drf/terminal';

/** What stands where there is no figure. */
export const NOTHING = '–';

type Share = number | null | undefined;

/** A share in percent: 0.6812 → "68.1". */
export const share = (value: Share): string => (value === null || value === undefined ? NOTHING : percent(value));

/** A difference of shares in points: 0.0448 → "4.48". */
export const points = (value: Share): string =>
  value === null || value === undefined ? NOTHING : withoutZeroSign((100 * value).toFixed(2));

/** A difference of shares in points, with its sign: 0.031 → "+3.1". */
export function signed(value: number): string {
  const text = (100 * value).toFixed(1);
  return Number(text) === 0 ? '0.0' : value > 0 ? `+${text}` : text;
}

/** An interval of differences: "+1.0 to +5.5". No difference of shares is beyond 100 points, as that of few seeds may be. */
export const span = (interval: Pick<Interval, 'low' | 'high'> | null): string =>
  interval === null ? NOTHING : `${signed(Math.max(-1, interval.low))} to ${signed(Math.min(1, interval.high))}`;

/** Mean and standard deviation over seeds: "71.2 ± 0.9". */
export function spread({ mean, standardDeviation }: SeedSummary, write: (value: number) => string = percent): string {
  const written = withoutZeroSign(write(mean));
  return standardDeviation === null ? written : `${written} ± ${write(standardDeviation)}`;
}

/** A table for a terminal, below its caption. */
export function textTable({ caption, head, rows }: TableData): string {
  return `${caption}\n${formatTable(head, rows)}`;
}

/** A table in Markdown, its columns as wide as Prettier has them: the first to the left, figures to the right. */
export function markdownTable({ caption, head, rows }: TableData): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[], fill = ' '): string =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0, fill) : cell.padStart(widths[i] ?? 0, fill))).join(' | ')} |`;
  const rule = line(head.map((_, i) => (i === 0 ? '' : ':'.padStart(widths[i] ?? 0, '-'))), '-'); // prettier-ignore
  const [first = '', ...others] = cells.map((row) => line(row));
  return `**${caption}**\n\n${[first, rule, ...others].join('\n')}`;
}
