import { formatStrategy, SETTINGS } from '@drf/disruption';
import { holmAdjusted, mcnemarExact, pairedDifference, pairedGainBootstrap, type Interval } from '@drf/metrics';
import { createRandom } from '@drf/tensor';
import { formatCell, isSameStrategy, type Cell } from '../cells.js';
import type { StoredCell } from '../store/records.js';
import type { ResultStore } from '../store/result-store.js';

/** What stands in a row of a table: a method, whole or less a part. */
export interface System {
  readonly method: string;
  readonly without: string | null;
}

/** Cells of one experiment and split, which may be compared. */
export interface Study {
  readonly experiment: string;
  readonly dataset: string;
  readonly split: string;
  readonly cells: readonly StoredCell[];
}

/** What the cells of all seeds have in common. */
export type Condition = Pick<Cell, 'trainedOn' | 'testedOn'>;

/** One question: are two systems equally good, in a cell or on the mean over several? */
export interface Question {
  readonly first: System;
  readonly second: System;
  /** Of a group of cells. */
  readonly group?: string;
  readonly cells: readonly Condition[];
}

/** The answer to a question. */
export interface Comparison {
  readonly first: System;
  readonly second: System;
  /** Such as `fixed:image:C`; of a mean over several cells the name of their group. */
  readonly cell: string;
  /** What the models were trained on; null for a mean over several cells. */
  readonly trainedOn: string | null;
  /** The cells that both systems have, on equal posts, as `formatCell` writes them. */
  readonly cells: readonly string[];
  /** Seeds that both systems have in each of these cells. */
  readonly seeds: number;
  /** Mean accuracy over seeds and cells. */
  readonly firstMean: number;
  readonly secondMean: number;
  /** Accuracy of the first less that of the second. */
  readonly difference: number;
  /** Student's t over seeds; null for a single seed. */
  readonly seedInterval: Interval | null;
  /** Bootstrap over seeds and posts. */
  readonly interval: Interval;
  readonly pValue: number;
  /** Holm's, over all comparisons of the table. */
  readonly adjusted: number;
  /** Seeds of which McNemar's exact test, corrected over the seeds, finds a difference; null for several cells. */
  readonly mcnemar: number | null;
  /** Of the first. */
  readonly verdict: 'better' | 'worse' | null;
}

/** Level at which a corrected p-value counts. */
const LEVEL = 0.05;

/** Of every bootstrap. */
const RESAMPLES = 10_000;

/**
 * Whether one system is better than another: the one rule for every table of every command.
 *
 * **Pairs.** Two models are compared of the same seed, on the same posts under the same disruptions, post by post: the
 * seed of a training decides the disruptions of its tests, too, so equal seeds meet equal manifests. A post's gain is 1
 * where only the first system answers rightly, −1 where only the second does, else 0; over several cells its mean, so
 * that the interval knows that cells share posts and seeds.
 *
 * **Uncertainty.** A bootstrap draws seeds and, independently of them, posts with replacement (10,000 times;
 * `pairedGainBootstrap`), which gives the 95 % interval and the two-sided p-value. It draws too little variety from few
 * seeds, so Student's t over the seeds' differences in accuracy stands beside it.
 *
 * **Verdict.** p-values are corrected by Holm (1979) over all comparisons of a table. "Better" or "worse" is said only
 * where both intervals lie on the same side of 0 and the corrected p-value is below {@link LEVEL}; of a single seed,
 * which has no interval over seeds, nothing is claimed.
 * @param questions all of one table; those that no pair answers are left out
 * @param onAnswered called after each question
 */
export function compare(
  store: ResultStore,
  study: Study,
  questions: readonly Question[],
  onAnswered: () => void = () => undefined,
): Comparison[] {
  const answered = questions.flatMap((question) => {
    const found = answer(store, study, question);
    onAnswered();
    return found;
  });
  const adjusted = holmAdjusted(answered.map(({ pValue }) => pValue));
  return answered.map((own, i) => {
    const corrected = adjusted[i] as number;
    return { ...own, adjusted: corrected, verdict: verdictOf(own, corrected) };
  });
}

type Answer = Omit<Comparison, 'adjusted' | 'verdict'>;

function verdictOf({ interval, seedInterval }: Answer, adjusted: number): Comparison['verdict'] {
  if (seedInterval === null || adjusted >= LEVEL) return null;
  if (interval.low > 0 && seedInterval.low > 0) return 'better';
  return interval.high < 0 && seedInterval.high < 0 ? 'worse' : null;
}

/** A cell of each of two systems: the same seed, posts and disruptions. */
type Pair = readonly [StoredCell, StoredCell];

function answer(store: ResultStore, study: Study, question: Question): Answer[] {
  const { first, second, group } = question;
  const all = question.cells.map((cell) => ({ cell, pairs: pairsOf(study, question, cell) }));
  const [head] = all.flatMap(({ pairs }) => pairs.map(([own]) => own));
  if (head === undefined) return [];
  // posts of several lists do not pair
  const paired = all
    .map(({ cell, pairs }) => ({ cell, pairs: pairs.filter(([own]) => own.postsKey === head.postsKey) }))
    .filter(({ pairs }) => pairs.length > 0);
  const rows = commonSeeds(paired.map(({ pairs }) => pairs));
  if (rows.length === 0) return [];
  const { labels } = store.posts(head);
  const means = (place: 0 | 1): number[] => rows.map((pairs) => mean(pairs.map((pair) => pair[place].accuracy)));
  const [ours, theirs] = [means(0), means(1)];
  const trainedOn = group === undefined ? formatStrategy(head.trainedOn) : null;
  const cell = group ?? formatCell({ testedOn: head.testedOn });
  const label = trainedOn === null ? cell : `${trainedOn} ${cell}`;
  const random = createRandom(0).fork(`${systemName(first)} ${systemName(second)} ${label}`);
  const gains = rows.map((pairs) => meanGains(store, labels, pairs));
  const { difference, interval, pValue } = pairedGainBootstrap(gains, { random, resamples: RESAMPLES });
  return [
    {
      first,
      second,
      cell,
      trainedOn,
      cells: paired.map(({ cell: own }) => conditionName(own)),
      seeds: rows.length,
      firstMean: mean(ours),
      secondMean: mean(theirs),
      difference,
      seedInterval: pairedDifference(ours, theirs).interval,
      interval,
      pValue,
      mcnemar: group === undefined ? mcnemarSeeds(store, labels, rows.flat()) : null,
    },
  ];
}

function pairsOf(study: Study, { first, second }: Pick<Question, 'first' | 'second'>, condition: Condition): Pair[] {
  const others = cellsOf(study, second, condition);
  return cellsOf(study, first, condition).flatMap((one): Pair[] => {
    const other = others.find(({ seed }) => seed === one.seed);
    const isComparable = other?.postsKey === one.postsKey && other.disruptionKey === one.disruptionKey;
    return other !== undefined && isComparable ? [[one, other]] : [];
  });
}

/** The pairs of the cells by seed, for seeds that all cells have. */
function commonSeeds(cells: readonly (readonly Pair[])[]): Pair[][] {
  const seeds = cells[0]?.map(([own]) => own.seed) ?? [];
  return seeds.flatMap((seed) => {
    const pairs = cells.map((own) => own.find(([cell]) => cell.seed === seed)).filter((pair) => pair !== undefined);
    return pairs.length === cells.length ? [pairs] : [];
  });
}

/** Gains of each post, their mean over the cells of a seed. */
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

function mcnemarSeeds(store: ResultStore, labels: Int32Array, pairs: readonly Pair[]): number {
  const tests = pairs.map(([one, other]) => mcnemarExact(labels, store.predicted(one), store.predicted(other)).pValue);
  return holmAdjusted(tests).filter((value) => value < LEVEL).length;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The cells of a store by experiment and split. */
export function studiesOf({ cells }: ResultStore): Study[] {
  const studies = new Map<string, StoredCell[]>();
  for (const cell of cells) {
    const key = JSON.stringify([cell.experiment, cell.split]);
    studies.set(key, [...(studies.get(key) ?? []), cell]);
  }
  return [...studies.values()].map((own) => {
    const [{ experiment, dataset, split }] = own as [StoredCell];
    return { experiment, dataset, split, cells: own };
  });
}

export function systemName({ method, without }: System): string {
  return without === null ? method : `${method}, ${without}`;
}

/** A condition as people write it. */
export const conditionName = ({ trainedOn, testedOn }: Condition): string => formatCell({ trainedOn, testedOn });

/** The conditions of cells, each once. */
export function conditionsOf(cells: readonly StoredCell[]): Condition[] {
  return [
    ...new Map(
      cells.map(({ trainedOn, testedOn }) => [conditionName({ trainedOn, testedOn }), { trainedOn, testedOn }]),
    ).values(),
  ];
}

/** Cells of a system under one condition, a seed each. */
export function cellsOf(
  { cells }: Study,
  { method, without }: System,
  { trainedOn, testedOn }: Condition,
): StoredCell[] {
  return cells
    .filter(
      (cell) =>
        cell.method === method &&
        cell.without === without &&
        isSameStrategy(cell.trainedOn, trainedOn) &&
        isSameStrategy(cell.testedOn, testedOn),
    )
    .sort((first, second) => first.seed - second.seed);
}

/** Cells whose mean accuracy is one figure. */
interface CellGroup {
  readonly name: string;
  readonly has: (cell: Condition) => boolean;
}

const isFixed: CellGroup['has'] = ({ trainedOn, testedOn }) =>
  trainedOn.kind === 'none' && testedOn.kind === 'modality-fixed';
const isRandom: CellGroup['has'] = ({ trainedOn, testedOn }) =>
  testedOn.kind === 'modality-random' && isSameStrategy(trainedOn, testedOn);
const isEither: CellGroup['has'] = (cell) => isFixed(cell) || isRandom(cell);

/**
 * Modality-fixed cells (trained on intact posts), modality-random ones (trained at the same dr), both, by setting, and
 * beyond the paper corruptions and missing rates (trained on intact posts).
 */
const CELL_GROUPS: readonly CellGroup[] = [
  { name: 'fixed', has: isFixed },
  { name: 'random', has: isRandom },
  { name: 'fixed and random', has: isEither },
  {
    name: 'corruptions',
    has: ({ trainedOn, testedOn }) => trainedOn.kind === 'none' && testedOn.kind === 'corruption',
  },
  { name: 'missing rates', has: ({ trainedOn, testedOn }) => trainedOn.kind === 'none' && testedOn.kind === 'missing' },
  ...SETTINGS.map((setting): CellGroup => ({
    name: `${setting}, fixed and random`,
    has: (cell) => 'setting' in cell.testedOn && cell.testedOn.setting === setting && isEither(cell),
  })),
];

/** Is a system better than others on the mean over whole groups of the paper's disrupted cells? */
export function meanQuestions(study: Study, first: System, others: readonly System[]): Question[] {
  const conditions = conditionsOf(study.cells.filter((cell) => systemName(cell) === systemName(first)));
  return others.flatMap((second) => {
    const paired = conditions.filter((condition) => pairsOf(study, { first, second }, condition).length > 0);
    const own = CELL_GROUPS.map(({ name, has }): Question => ({
      first,
      second,
      group: name,
      cells: paired.filter(has),
    }));
    // without random cells, "fixed and random" says nothing new
    const keys = own.map(({ cells }) => cells.map(conditionName).join());
    return own.filter(({ cells }, i) => cells.length > 0 && keys.indexOf(keys[i] ?? '') === i);
  });
}
