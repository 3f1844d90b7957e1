// Prints the tables of docs/results.md from a summary that `pnpm eval RUN RUN… --out DIR` wrote:
//   node scripts/results-table.mjs runs/eval-clean/summary.json
import { readFileSync } from 'node:fs';

const [path] = process.argv.slice(2);
if (path === undefined) {
  process.stderr.write('usage: node scripts/results-table.mjs SUMMARY.json\n');
  process.exit(2);
}
const { groups, comparisons } = JSON.parse(readFileSync(path, 'utf8'));
const percent = (share) => (100 * share).toFixed(1);
const spread = ({ mean, standardDeviation }) =>
  `${percent(mean)}${standardDeviation === null ? '' : ` ± ${percent(standardDeviation)}`}`;
const row = (cells) => `| ${cells.join(' | ')} |`;

/** Paired differences by cell; `–` where a cell has none. */
function difference(cell) {
  return comparisons.map((comparison) => {
    const found = comparison.cells.find((entry) => entry.cell === cell)?.accuracy;
    if (found === undefined || found.interval === null) return '–';
    return `${percent(found.mean)} (${percent(found.interval.low)} to ${percent(found.interval.high)})`;
  });
}

const names = groups.map(({ label }) => label.split(',')[0]);
const heads = ['cell', ...names.flatMap((name) => [`${name}: accuracy`, `${name}: weighted F1`])];
const compared = comparisons.map(
  ({ first, second }) => `accuracy, ${String(first).split(',')[0]} less ${String(second).split(',')[0]}`,
);
console.log(row([...heads, ...compared]));
console.log(row([...heads, ...compared].map((_, i) => (i === 0 ? '---' : '--:'))));
for (const { cell } of groups[0].cells) {
  const figures = groups.flatMap((group) => {
    const found = group.cells.find((entry) => entry.cell === cell);
    return [spread(found.accuracy), spread(found.weightedF1)];
  });
  console.log(row([cell, ...figures, ...difference(cell)]));
}
