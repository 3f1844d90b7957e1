import { pairedDifference, type PairedDifference } from '@drf/metrics';
import type { Group, GroupMember } from './groups.js';
import { findCell, type CellResult, type EvaluationResult } from './result.js';

/** A run with its result. */
export interface RunResult extends GroupMember {
  readonly result: EvaluationResult;
}

export type Figure = 'accuracy' | 'weightedF1' | 'macroF1';

/** Which of two groups is better: claimed only where the interval of the paired difference leaves out 0. */
export type Verdict = 'first' | 'second' | 'undecided';

export interface CellComparison {
  readonly cell: string;
  /** First less second, seed by seed. */
  readonly accuracy: PairedDifference;
  readonly weightedF1: PairedDifference;
  readonly better: Verdict;
}

export interface Comparison {
  readonly first: string;
  readonly second: string;
  /** Seeds that both have, with equal posts and equal disruptions. */
  readonly seeds: readonly number[];
  readonly cells: readonly CellComparison[];
}

/** The cells that any of the runs has, in their order. */
export function cellNames(members: readonly RunResult[]): string[] {
  return [...new Set(members.flatMap(({ result }) => result.cells.map(({ cell }) => cell)))];
}

/** Compares two groups seed by seed; nothing where no seed of theirs was evaluated on equal posts. */
export function compareGroups(first: Group<RunResult>, second: Group<RunResult>): Comparison | undefined {
  const pairs = first.members.flatMap((one) => {
    const other = second.members.find((member) => member.config.seed === one.config.seed);
    return other !== undefined && isComparable(one.result, other.result) ? [{ one, other }] : [];
  });
  if (pairs.length === 0) return undefined;
  const cells = cellNames(first.members).flatMap((cell): CellComparison[] => {
    const both = pairs.flatMap(({ one, other }) => {
      const [left, right] = [findCell(one.result, cell), findCell(other.result, cell)];
      return left !== undefined && right !== undefined ? [{ left, right }] : [];
    });
    return both.length === 0 ? [] : [compareCell(cell, both)];
  });
  return { first: first.label, second: second.label, seeds: pairs.map(({ one }) => one.config.seed), cells };
}

/** Equal posts under equal disruptions. */
function isComparable(one: EvaluationResult, other: EvaluationResult): boolean {
  const [first, second] = [one.evaluation, other.evaluation];
  return (
    first.dataset === second.dataset &&
    first.postsHash === second.postsHash &&
    first.seed === second.seed &&
    first.manifest === second.manifest
  );
}

function compareCell(cell: string, pairs: readonly { left: CellResult; right: CellResult }[]): CellComparison {
  const of = (figure: Figure): PairedDifference =>
    pairedDifference(
      pairs.map(({ left }) => left.report[figure]),
      pairs.map(({ right }) => right.report[figure]),
    );
  const accuracy = of('accuracy');
  return { cell, accuracy, weightedF1: of('weightedF1'), better: verdict(accuracy) };
}

/** A single seed has no interval, so nothing is claimed of it. */
export function verdict({ interval }: Pick<PairedDifference, 'interval'>): Verdict {
  if (interval === null) return 'undecided';
  return interval.low > 0 ? 'first' : interval.high < 0 ? 'second' : 'undecided';
}
