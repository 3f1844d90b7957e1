import { percent } from '@drf/terminal';
import type { Interval } from '@drf/metrics';
import { formatCell } from '../cells.js';
import { NOTHING, type TableData } from '../tables.js';
import type { GroupComparison } from './compare-groups.js';
import { systemName, type SystemComparison } from './compare-systems.js';

/** The paired comparisons of a table. */
export function comparisonRows(caption: string, comparisons: readonly SystemComparison[]): TableData {
  return {
    caption,
    head: [
      'first',
      'second',
      'cell',
      'seeds',
      'difference',
      '95 % interval',
      'over seeds alone',
      'p',
      'p, corrected',
      'McNemar',
      'verdict',
    ],
    rows: comparisons.map((own) => [
      systemName(own.first),
      systemName(own.second),
      formatCell({ testedOn: own.testedOn }),
      String(own.seeds),
      signed(own.difference),
      spanOf(own.interval),
      spanOf(own.seedInterval),
      own.pValue.toPrecision(2),
      own.adjusted.toPrecision(2),
      `${own.mcnemar} of ${own.seeds}`,
      own.verdict ?? NOTHING,
    ]),
  };
}

/** How to read {@link groupTables}. */
export const GROUP_LINE =
  'Mean accuracy over the cells of Table 1 (fixed: trained on intact posts) and Figure 5 (random: trained and tested at the same dr) that both methods have. The difference is paired by seed, post and disruption; its interval is a bootstrap over seeds and posts, each post’s gain being its mean over the cells; p is corrected by Holm over this table. Above and below: cells whose two intervals, taken alone and not corrected, lie above or below 0.';

/** The means of all groups; none without them. */
export function groupTables(groups: readonly GroupComparison[]): TableData[] {
  if (groups.length === 0) return [];
  const rows = groups.map((own) => [
    systemName(own.first),
    systemName(own.second),
    own.group,
    String(own.cells),
    String(own.seeds),
    percent(own.firstMean),
    percent(own.secondMean),
    signed(own.difference),
    spanOf(own.interval),
    spanOf(own.seedInterval),
    own.adjusted.toPrecision(2),
    `${own.cellsAbove}, ${own.cellsBelow}`,
    own.verdict ?? NOTHING,
  ]);
  const head = [
    'first',
    'second',
    'cells of',
    'cells',
    'seeds',
    'accuracy of the first',
    'of the second',
    'difference',
    '95 % interval',
    'over seeds alone',
    'p, corrected',
    'cells above, below',
    'verdict',
  ];
  return [{ caption: 'Means over cells', head, rows }];
}

function spanOf(interval: Interval | null): string {
  return interval === null ? NOTHING : `${signed(interval.low)} to ${signed(interval.high)}`;
}

/** Points of a hundred, with their sign. */
function signed(share: number): string {
  const points = (100 * share).toFixed(1);
  return share > 0 && points !== '0.0' ? `+${points}` : points;
}

/** How to read {@link comparisonRows}. */
export const COMPARISON_LINE =
  'Accuracy of the first less that of the second, in points, paired by seed and post on equal disruptions. Interval and p: bootstrap over seeds and posts. Corrected: Holm, over the table. McNemar: seeds whose exact test finds a difference. A verdict on the first stands only where this interval and that over seeds alone (Student’s t) leave out 0 and the corrected p lies below 0.05.';
