import type { PairedDifference, SeedSummary } from '@drf/metrics';
import { percent } from '@drf/terminal';
import type { Comparison } from './comparison.js';
import type { MatchedCurve } from './matched-curve.js';
import type { GroupSummary } from './summary.js';
import { dropCells, NOTHING, PAPER_DROP_HEAD, points, share, type TableData } from './tables.js';

/** "71.2 ± 0.4" in percent: mean and standard deviation. */
function meanText({ mean, standardDeviation }: SeedSummary): string {
  return standardDeviation === null ? percent(mean) : `${percent(mean)} ± ${percent(standardDeviation)}`;
}

const between = (low: string, high: string): string => `${low} to ${high}`;
const intervalText = ({ interval }: SeedSummary): string =>
  interval === null ? NOTHING : between(percent(interval.low), percent(interval.high));

/** A group, cell by cell, beside the paper. */
export function groupTable({ label, seeds, cells }: GroupSummary): TableData {
  const hasPaper = cells.some(({ paper }) => paper !== null);
  return {
    caption: `${label}: mean ± standard deviation over seeds ${seeds.join(', ')} (percent)`,
    head: [
      ...['cell', 'accuracy', '95 % interval', 'weighted F1', '95 % interval', 'macro F1'],
      ...(hasPaper ? ['paper accuracy', 'paper weighted F1'] : []),
    ],
    rows: cells.map(({ cell, accuracy, weightedF1, macroF1, paper }) => [
      cell,
      meanText(accuracy),
      intervalText(accuracy),
      meanText(weightedF1),
      intervalText(weightedF1),
      meanText(macroF1),
      ...(hasPaper ? [share(paper?.accuracy), share(paper?.weightedF1)] : []),
    ]),
  };
}

/** What disruption costs each group. */
export function curveTable(groups: readonly GroupSummary[]): TableData {
  const hasPaper = groups.some(({ curves }) => curves.some(({ paperDrop }) => paperDrop !== null));
  return {
    caption: 'Robustness: area under accuracy against dr, and points of accuracy lost from dr = 0.2 to 1',
    head: ['group', 'setting', 'area', 'lost', ...(hasPaper ? PAPER_DROP_HEAD : [])],
    rows: groups.flatMap(({ label, curves }) =>
      curves.map(({ setting, area, drop, paperDrop }) => [
        label,
        setting,
        meanText(area),
        drop === null ? NOTHING : meanText(drop),
        ...(hasPaper ? dropCells(paperDrop) : []),
      ]),
    ),
  };
}

/** Two groups, seed by seed. */
export function comparisonTable({ first, second, seeds, cells }: Comparison): TableData {
  const interval = (difference: PairedDifference): string =>
    difference.interval === null ? NOTHING : between(points(difference.interval.low), points(difference.interval.high));
  const better = { first, second, undecided: 'not shown' };
  return {
    caption: `${first} less ${second}, paired over seeds ${seeds.join(', ')} (percentage points)`,
    head: ['cell', 'accuracy', '95 % interval', 'weighted F1', '95 % interval', 'better'],
    rows: cells.map((cell) => [
      cell.cell,
      points(cell.accuracy.mean),
      interval(cell.accuracy),
      points(cell.weightedF1.mean),
      interval(cell.weightedF1),
      better[cell.better],
    ]),
  };
}

/** Models that were trained and tested alike. */
export function matchedTable(matched: readonly MatchedCurve[]): TableData {
  return {
    caption:
      'Trained and tested at the same dr, as in the paper: accuracy (percent), and points lost from dr = 0.2 to 1',
    head: ['method', 'setting', 'dr', 'area', 'lost', ...PAPER_DROP_HEAD],
    rows: matched.map(({ method, setting, points: all, area, drop, paperDrop }) => [
      method,
      setting,
      all.map(({ ratio, accuracy }) => `${ratio}: ${percent(accuracy.mean)}`).join('  '),
      percent(area),
      points(drop),
      ...dropCells(paperDrop),
    ]),
  };
}
