import { htmlPage } from '@drf/experiment';
import { formatCsv, type CsvOptions } from '@drf/terminal';
import { curveFigure } from './curve-figure.js';
import { htmlSection } from './html-report.js';
import type { MatchedCurve } from './matched-curve.js';
import { paperLine, type Section } from './sections.js';
import type { EvaluationSummary, GroupSummary } from './summary.js';
import { comparisonTable, curveTable, groupTable, matchedTable } from './summary-tables.js';
import { textSection } from './text-report.js';

/** A summary with what several runs of one method at different training ratios add. */
export interface FullSummary extends EvaluationSummary {
  readonly matched: readonly MatchedCurve[];
}

const PAIR_LINE =
  '"better" names a group only where the interval of the paired difference in accuracy leaves out 0; intervals are over seeds.';

function sections({ groups, comparisons, matched, notes }: FullSummary): Section[] {
  const hasCurves = groups.some(({ curves }) => curves.length > 0);
  return [
    { heading: 'Over seeds', lines: seedLines(groups, notes), tables: groups.map(groupTable) },
    ...(hasCurves ? [{ heading: 'Robustness', tables: [curveTable(groups)] }] : []),
    ...(matched.length > 0 ? [{ heading: 'Trained and tested alike', tables: [matchedTable(matched)] }] : []),
    ...(comparisons.length > 0
      ? [{ heading: 'Comparisons', lines: [PAIR_LINE], tables: comparisons.map(comparisonTable) }]
      : []),
  ];
}

function seedLines(groups: readonly GroupSummary[], notes: readonly string[]): string[] {
  const hasPaper = groups.some(({ cells }) => cells.some(({ paper }) => paper !== null));
  return [
    ...(hasPaper ? [paperLine(groups.map(({ trainedEncoders }) => trainedEncoders))] : []),
    ...notes.map((note) => `Note: ${note}`),
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
  const curves = groups.flatMap((group) => group.curves);
  const settings = [...new Set(curves.map(({ setting }) => setting))];
  return settings.map((setting) =>
    curveFigure(
      `Mean accuracy against the share of disrupted posts, setting ${setting}`,
      groups.map((group) => ({ name: group.label, points: meanPoints(group, setting) })),
    ),
  );
}

function meanPoints({ cells }: GroupSummary, setting: string): { ratio: number; accuracy: number }[] {
  return cells
    .flatMap(({ cell, accuracy }) => {
      const ratio = cell === 'clean' ? 0 : ratioOf(cell, setting);
      return ratio === undefined ? [] : [{ ratio, accuracy: accuracy.mean }];
    })
    .sort((one, other) => one.ratio - other.ratio);
}

/** dr of a modality-random cell of the setting. */
function ratioOf(cell: string, setting: string): number | undefined {
  const [kind, ratio, own] = cell.split(':');
  return kind === 'random' && own === setting ? Number(ratio) : undefined;
}

/** One row a group and cell. */
export function summaryCsv({ groups }: EvaluationSummary, options?: CsvOptions): string {
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
      cell.paper?.accuracy ?? '',
      cell.paper?.weightedF1 ?? '',
    ]),
  );
  return formatCsv(['group', 'seeds', 'cell', ...columns, 'paperAccuracy', 'paperWeightedF1'], rows, options);
}
