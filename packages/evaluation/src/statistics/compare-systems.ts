import { holmAdjusted, mcnemarExact, pairedDifference, pairedSeedBootstrap, type Interval } from '@drf/metrics';
import { formatStrategy, type Strategy } from '@drf/disruption';
import { createRandom } from '@drf/tensor';
import { formatCell, isSameStrategy, type Cell } from '../cells.js';
import type { ResultStore } from '../store/result-store.js';
import type { StoredCell } from '../store/records.js';

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

/** Level at which a corrected p-value counts. */
export const LEVEL = 0.05;

export interface SystemComparison {
  readonly first: System;
  readonly second: System;
  readonly testedOn: Strategy;
  readonly trainedOn: Strategy;
  readonly seeds: number;
  /** Accuracy of the first less that of the second. */
  readonly difference: number;
  /** Student's t over seeds; null for a single seed. */
  readonly seedInterval: Interval | null;
  /** Bootstrap over seeds and posts. */
  readonly interval: Interval;
  readonly pValue: number;
  /** Holm's, over all comparisons of the table. */
  readonly adjusted: number;
  /** Seeds of which McNemar's exact test, corrected over the seeds, finds a difference. */
  readonly mcnemar: number;
  /** Claimed only where both intervals leave out 0 and the corrected p-value lies below {@link LEVEL}. */
  readonly verdict: 'better' | 'worse' | null;
}

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

/** Cells of a system under one training disruption and test cell, a seed each. */
export function cellsOf(study: Study, system: System, { trainedOn, testedOn }: Condition): StoredCell[] {
  return study.cells
    .filter(
      (cell) =>
        cell.method === system.method &&
        cell.without === system.without &&
        isSameStrategy(cell.trainedOn, trainedOn) &&
        isSameStrategy(cell.testedOn, testedOn),
    )
    .sort((first, second) => first.seed - second.seed);
}

/** What the cells of all seeds have in common. */
export type Condition = Pick<Cell, 'trainedOn' | 'testedOn'>;

/** One question: are two systems equally good in a cell? */
export interface Question extends Condition {
  readonly first: System;
  readonly second: System;
}

/** Of every bootstrap. */
export const RESAMPLES = 10_000;

/**
 * Answers the questions of one table: paired seed by seed and post by post, on equal posts under equal disruptions (the
 * seed of a training decides those of its tests, too, so equal seeds meet equal manifests), corrected together.
 * @param onAnswered called after each question
 */
export function compareSystems(
  store: ResultStore,
  study: Study,
  questions: readonly Question[],
  onAnswered: () => void = () => undefined,
): SystemComparison[] {
  const answered = questions.flatMap((question) => {
    const [pair, ...further] = pairsOf(study, question);
    const found = pair === undefined ? [] : [answer(store, question, [pair, ...further])];
    onAnswered();
    return found;
  });
  const adjusted = holmAdjusted(answered.map(({ pValue }) => pValue));
  return answered.map((comparison, i) => {
    const corrected = adjusted[i] as number;
    return { ...comparison, adjusted: corrected, verdict: verdictOf(comparison, corrected) };
  });
}

/** A cell of each of two systems: the same seed, posts and disruptions. */
export type Pair = readonly [StoredCell, StoredCell];

/** A question's pairs, a seed each. */
export function pairsOf(study: Study, { first, second, ...condition }: Question): Pair[] {
  const others = cellsOf(study, second, condition);
  return cellsOf(study, first, condition).flatMap((one): Pair[] => {
    const other = others.find(({ seed }) => seed === one.seed);
    const isComparable = other?.postsKey === one.postsKey && other.disruptionKey === one.disruptionKey;
    return other !== undefined && isComparable ? [[one, other]] : [];
  });
}

function answer(
  store: ResultStore,
  { first, second, trainedOn, testedOn }: Question,
  pairs: readonly [Pair, ...Pair[]],
): Omit<SystemComparison, 'adjusted' | 'verdict'> {
  const lists = new Set(pairs.map(([one]) => one.postsKey));
  const posts = store.posts(pairs[0][0]);
  const usable = lists.size === 1 ? pairs : pairs.slice(0, 1); // posts of several lists do not pair
  const ours = usable.map(([one]) => store.predicted(one));
  const theirs = usable.map(([, other]) => store.predicted(other));
  const random = createRandom(0).fork(
    `${systemName(first)} ${systemName(second)} ${formatStrategy(trainedOn)} ${formatCell({ testedOn })}`,
  );
  const { difference, interval, pValue } = pairedSeedBootstrap(posts.labels, ours, theirs, {
    random,
    resamples: RESAMPLES,
  });
  const tests = holmAdjusted(
    ours.map((own, seed) => mcnemarExact(posts.labels, own, theirs[seed] as Int32Array).pValue),
  );
  return {
    first,
    second,
    testedOn,
    trainedOn,
    seeds: usable.length,
    difference,
    seedInterval: pairedDifference(
      usable.map(([one]) => one.accuracy),
      usable.map(([, other]) => other.accuracy),
    ).interval,
    interval,
    pValue,
    mcnemar: tests.filter((value) => value < LEVEL).length,
  };
}

/** Both intervals must agree: the bootstrap draws too little variety from few seeds, Student's t knows nothing of posts. */
export function verdictOf(
  { interval, seedInterval }: Pick<SystemComparison, 'interval' | 'seedInterval'>,
  adjusted: number,
): SystemComparison['verdict'] {
  if (seedInterval === null || adjusted >= LEVEL) return null;
  if (interval.low > 0 && seedInterval.low > 0) return 'better';
  return interval.high < 0 && seedInterval.high < 0 ? 'worse' : null;
}
