import { formatStrategy, SETTINGS } from '@drf/disruption';
import { holmAdjusted, pairedDifference, pairedGainBootstrap, type Interval } from '@drf/metrics';
import { createRandom } from '@drf/tensor';
import { formatCell, isSameStrategy } from '../cells.js';
import type { ResultStore } from '../store/result-store.js';
import type { StoredCell } from '../store/records.js';
import {
  pairsOf,
  RESAMPLES,
  systemName,
  verdictOf,
  type Condition,
  type Pair,
  type Study,
  type System,
  type SystemComparison,
} from './compare-systems.js';

/** Cells whose mean accuracy is one figure. */
export interface CellGroup {
  readonly name: string;
  readonly has: (cell: Condition) => boolean;
}

const isFixed = ({ testedOn, trainedOn }: Condition): boolean =>
  trainedOn.kind === 'none' && testedOn.kind === 'modality-fixed';
const isRandom = ({ testedOn, trainedOn }: Condition): boolean =>
  testedOn.kind === 'modality-random' && isSameStrategy(testedOn, trainedOn);

/** Modality-fixed cells (trained on intact posts), modality-random ones (trained at the same dr), both, and by setting. */
export const CELL_GROUPS: readonly CellGroup[] = [
  { name: 'fixed', has: isFixed },
  { name: 'random', has: isRandom },
  { name: 'fixed and random', has: (cell) => isFixed(cell) || isRandom(cell) },
  ...SETTINGS.map((setting): CellGroup => ({
    name: `${setting}, fixed and random`,
    has: (cell) => 'setting' in cell.testedOn && cell.testedOn.setting === setting && (isFixed(cell) || isRandom(cell)),
  })),
];

/** Two systems over the cells of a group. */
export interface GroupComparison extends Pick<
  SystemComparison,
  'first' | 'second' | 'seeds' | 'difference' | 'seedInterval' | 'interval' | 'pValue' | 'adjusted' | 'verdict'
> {
  readonly group: string;
  /** Cells that both systems have, for the same seeds. */
  readonly cells: number;
  /** Their names, each after what was trained on. */
  readonly cellNames: string;
  /** Mean accuracy over cells and seeds. */
  readonly firstMean: number;
  readonly secondMean: number;
  /** Of the cells, those in which both intervals of the cell alone lie above 0, and below; not corrected. */
  readonly cellsAbove: number;
  readonly cellsBelow: number;
}

/**
 * Whether a system is better on average over whole groups of cells: each post's gain is its mean over the cells, so that
 * the interval knows that cells share posts and seeds. Corrected (Holm) over all comparisons of the table.
 * @param single the comparisons of single cells, to be counted
 * @param onAnswered called after each group of cells and each of `others`
 */
export function compareGroups(
  store: ResultStore,
  study: Study,
  first: System,
  others: readonly System[],
  single: readonly SystemComparison[],
  onAnswered: () => void = () => undefined,
): GroupComparison[] {
  const answered = others.flatMap((second) => {
    const own = CELL_GROUPS.flatMap((group) => {
      const found = answer(store, study, { first, second, group, single });
      onAnswered();
      return found;
    });
    // without random cells, "fixed and random" says nothing new
    return own.filter(({ cellNames }, i) => own.findIndex((other) => other.cellNames === cellNames) === i);
  });
  const adjusted = holmAdjusted(answered.map(({ pValue }) => pValue));
  return answered.map((own, i) => {
    const corrected = adjusted[i] as number;
    return { ...own, adjusted: corrected, verdict: verdictOf(own, corrected) };
  });
}

function answer(
  store: ResultStore,
  study: Study,
  question: {
    readonly first: System;
    readonly second: System;
    readonly group: CellGroup;
    readonly single: readonly SystemComparison[];
  },
): Omit<GroupComparison, 'adjusted' | 'verdict'>[] {
  const { first, second, group, single } = question;
  const cells = pairedCells(study, first, second, group);
  const seeds = commonSeeds(cells);
  const [posts] = cells[0] === undefined ? [] : [store.posts(cells[0][0]?.[0] as StoredCell)];
  if (posts === undefined || seeds.length === 0) return [];
  const rows = seeds.map((seed) =>
    cells.map((pairs) => pairs.find(([own]) => own.seed === seed)).filter((pair) => pair !== undefined),
  );
  const gains = rows.map((pairs) => meanGains(store, posts.labels, pairs));
  const means = (place: 0 | 1): number[] => rows.map((pairs) => mean(pairs.map((pair) => pair[place].accuracy)));
  const [ours, theirs] = [means(0), means(1)];
  const random = createRandom(0).fork(`${systemName(first)} ${systemName(second)} ${group.name}`);
  const { difference, interval, pValue } = pairedGainBootstrap(gains, { random, resamples: RESAMPLES });
  const names = new Set(cells.map((pairs) => nameOf(pairs[0]?.[0] as StoredCell)));
  const own = single.filter(
    (cell) =>
      systemName(cell.first) === systemName(first) &&
      systemName(cell.second) === systemName(second) &&
      names.has(nameOf(cell)),
  );
  const count = (lies: (interval: Interval) => boolean): number =>
    own.filter(({ interval: both, seedInterval }) => lies(both) && seedInterval !== null && lies(seedInterval)).length;
  return [
    {
      first,
      second,
      group: group.name,
      cells: cells.length,
      cellNames: [...names].sort().join(', '),
      seeds: seeds.length,
      firstMean: mean(ours),
      secondMean: mean(theirs),
      difference,
      seedInterval: pairedDifference(ours, theirs).interval,
      interval,
      pValue,
      cellsAbove: count(({ low }) => low > 0),
      cellsBelow: count(({ high }) => high < 0),
    },
  ];
}

const nameOf = ({ testedOn, trainedOn }: Condition): string =>
  `${formatStrategy(trainedOn)} ${formatCell({ testedOn })}`;

/** The pairs of each cell of the group; cells over other posts than the first one's are left out. */
function pairedCells(study: Study, first: System, second: System, group: CellGroup): Pair[][] {
  const own = study.cells.filter(
    (cell) => cell.method === first.method && cell.without === first.without && group.has(cell),
  );
  const names = new Map(own.map((cell) => [nameOf(cell), cell]));
  const cells = [...names.values()]
    .map(({ testedOn, trainedOn }) => pairsOf(study, { first, second, trainedOn, testedOn }))
    .filter((pairs) => pairs.length > 0);
  const list = cells[0]?.[0]?.[0].postsKey;
  return cells.filter((pairs) => pairs.every(([cell]) => cell.postsKey === list));
}

function commonSeeds(cells: readonly (readonly Pair[])[]): number[] {
  const [head = [], ...rest] = cells.map((pairs) => pairs.map(([own]) => own.seed));
  return head.filter((seed) => rest.every((seeds) => seeds.includes(seed)));
}

/** Per post: the mean over cells of 1 where only the first is right, −1 where only the second is, else 0. */
function meanGains(store: ResultStore, labels: Int32Array, pairs: readonly Pair[]): Float64Array {
  const gains = new Float64Array(labels.length);
  for (const [one, other] of pairs) {
    const [ours, theirs] = [store.predicted(one), store.predicted(other)];
    labels.forEach((label, post) => {
      const gain = Number(ours[post] === label) - Number(theirs[post] === label);
      gains[post] = (gains[post] as number) + gain / pairs.length;
    });
  }
  return gains;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
