import { htmlPage, lineChartFigure } from '@drf/experiment';
import type { PairedDifference, SeedSummary } from '@drf/metrics';
import { formatCsv, percent } from '@drf/terminal';
import { htmlSection } from './html-report.js';
import type { MatchedCurve } from './matched-curve.js';
import type { Section } from './sections.js';
import type { Comparison, EvaluationSummary, GroupSummary } from './summary.js';
import { NOTHING, points, range, type TableData } from './tables.js';
import { textSection } from './text-report.js';

/** A summary with what several runs of one method at different training ratios add. */
export interface FullSummary extends EvaluationSummary {
  readonly matched: readonly MatchedCurve[];
}

/** "71.2 ± 0.4" in percent: mean and standard deviation. */
function meanText({ mean, standardDeviation }: SeedSummary): string {
  return standardDeviation === null ? percent(mean) : `${percent(mean)} ± ${percent(standardDeviation)}`;
}

const intervalText = ({ interval }: SeedSummary): string => (interval === null ? NOTHING : range(interval));

function groupTable({ label, seeds, cells }: GroupSummary): TableData {
  return {
    caption: `${label}: mean ± standard deviation over seeds ${seeds.join(', ')} (percent)`,
    head: ['cell', 'accuracy', '95 % interval', 'weighted F1', '95 % interval', 'macro F1'],
    rows: cells.map(({ cell, accuracy, weightedF1, macroF1 }) => [
      cell,
      meanText(accuracy),
      intervalText(accuracy),
      meanText(weightedF1),
      intervalText(weightedF1),
      meanText(macroF1),
    ]),
  };
}

function curveTable(groups: readonly GroupSummary[]): TableData {
  return {
    caption: 'Robustness: area under accuracy against dr, and points of accuracy lost from dr = 0 to 1',
    head: ['group', 'setting', 'area', 'lost'],
    rows: groups.flatMap(({ label, curves }) =>
      curves.map(({ setting, area, drop }) => [
        label,
        setting,
        meanText(area),
        drop === null ? NOTHING : meanText(drop),
      ]),
    ),
  };
}

function comparisonTable({ first, second, seeds, cells }: Comparison): TableData {
  const interval = (difference: PairedDifference): string =>
    difference.interval === null
      ? NOTHING
      : `${points(difference.interval.low)} to ${points(difference.interval.high)}`;
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

function matchedTable(matched: readonly MatchedCurve[]): TableData {
  return {
    caption: 'Trained and tested at the same dr, as in the paper: accuracy (percent)',
    head: ['method', 'setting', 'dr', 'area', 'lost', 'paper: DRF lost', 'paper: others lost'],
    rows: matched.map(({ method, setting, points: all, area, drop, paperDrop }) => [
      method,
      setting,
      all.map(({ ratio, accuracy }) => `${ratio}: ${percent(accuracy.mean)}`).join('  '),
      percent(area),
      points(drop),
      points(paperDrop?.drf),
      paperDrop === null ? NOTHING : paperDrop.others.map(points).join('–'),
    ]),
  };
}

const PAIR_LINE =
  '"better" names a group only where the interval of the paired difference in accuracy leaves out 0; intervals are over seeds.';

function sections({ groups, comparisons, matched, notes }: FullSummary): Section[] {
  const hasCurves = groups.some(({ curves }) => curves.length > 0);
  return [
    { heading: 'Over seeds', lines: notes.map((note) => `note: ${note}`), tables: groups.map(groupTable) },
    ...(hasCurves ? [{ heading: 'Robustness', tables: [curveTable(groups)] }] : []),
    ...(matched.length > 0 ? [{ heading: 'Trained and tested alike', tables: [matchedTable(matched)] }] : []),
    ...(comparisons.length > 0
      ? [{ heading: 'Comparisons', lines: [PAIR_LINE], tables: comparisons.map(comparisonTable) }]
      : []),
  ];
}

/** A summary for people, as plain text. */
export function summaryText(summary: FullSummary): string {
  return sections(summary).map(textSection).join('\n');
}

/** A summary as a page in one file, with the mean accuracy of each group against dr. */
export function summaryHtml(summary: FullSummary): string {
  const figures = curveFigures(summary.groups);
  const body = sections(summary).map((part) => htmlSection(part, part.heading === 'Robustness' ? figures : []));
  return htmlPage('Evaluation of several runs', body.join('\n'));
}

function curveFigures(groups: readonly GroupSummary[]): string[] {
  const settings = [...new Set(groups.flatMap(({ curves }) => curves.map(({ setting }) => setting)))];
  return settings.map((setting) =>
    lineChartFigure({
      title: `Mean accuracy against the share of disrupted posts, setting ${setting}`,
      xName: 'disrupted posts (percent)',
      yName: 'accuracy (percent)',
      lines: groups.map(({ label, cells }) => ({
        name: label,
        points: cells
          .flatMap(({ cell, accuracy }) => {
            const ratio = cell === 'clean' ? 0 : ratioOf(cell, setting);
            return ratio === undefined ? [] : [[100 * ratio, 100 * accuracy.mean] as const];
          })
          .sort(([one], [other]) => one - other),
      })),
    }),
  );
}

/** dr of a modality-random cell of the setting. */
function ratioOf(cell: string, setting: string): number | undefined {
  const [kind, ratio, own] = cell.split(':');
  return kind === 'random' && own === setting ? Number(ratio) : undefined;
}

/** One row a group and cell. */
export function summaryCsv({ groups }: EvaluationSummary): string {
  const figures = ['accuracy', 'weightedF1', 'macroF1'] as const;
  const columns = figures.flatMap((name) => [`${name}Mean`, `${name}StandardDeviation`, `${name}Low`, `${name}High`]);
  const rows = groups.flatMap(({ label, seeds, cells }) =>
    cells.map((cell) => [
      label,
      seeds.join(' '),
      cell.cell,
      ...figures.flatMap((name) => {
        const { mean, standardDeviation, interval } = cell[name];
        return [mean, standardDeviation ?? '', interval?.low ?? '', interval?.high ?? ''];
      }),
    ]),
  );
  return formatCsv(['group', 'seeds', 'cell', ...columns], rows);
}
