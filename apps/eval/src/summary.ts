import { SETTINGS, type Setting } from '@drf/disruption';
import { pairedDifference, summarizeSeeds, type PairedDifference, type SeedSummary } from '@drf/metrics';
import type { Group, GroupMember } from './groups.js';
import { findCell, type CellResult, type EvaluationResult } from './result.js';

export const SUMMARY_FORMAT = 'drf-evaluation-summary/1';

/** A run with its result. */
export interface RunResult extends GroupMember {
  readonly result: EvaluationResult;
}

type Figure = 'accuracy' | 'weightedF1' | 'macroF1';

/** A cell over the seeds of a group. */
export type CellSummary = { readonly cell: string } & Readonly<Record<Figure, SeedSummary>>;

export interface CurveSummary {
  readonly setting: Setting;
  readonly area: SeedSummary;
  readonly drop: SeedSummary | null;
}

export interface GroupSummary {
  readonly label: string;
  readonly runs: readonly string[];
  readonly seeds: readonly number[];
  readonly cells: readonly CellSummary[];
  readonly curves: readonly CurveSummary[];
}

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

/** Content of `summary.json`. */
export interface EvaluationSummary {
  readonly format: typeof SUMMARY_FORMAT;
  readonly groups: readonly GroupSummary[];
  readonly comparisons: readonly Comparison[];
  readonly notes: readonly string[];
}

/** Means over seeds of each group, and paired differences between groups. */
export function summarizeGroups(groups: readonly Group<RunResult>[]): EvaluationSummary {
  const comparisons = groups.flatMap((first, index) =>
    groups.slice(index + 1).flatMap((second) => compareGroups(first, second) ?? []),
  );
  return {
    format: SUMMARY_FORMAT,
    groups: groups.map(summarizeGroup),
    comparisons,
    notes: groups.flatMap(notesOn),
  };
}

function summarizeGroup({ label, members }: Group<RunResult>): GroupSummary {
  return {
    label,
    runs: members.map(({ result }) => result.run.path),
    seeds: members.map(({ config }) => config.seed),
    cells: cellNames(members).map((cell) => {
      const reports = members.flatMap(({ result }) => findCell(result, cell)?.report ?? []);
      const over = (figure: Figure): SeedSummary => summarizeSeeds(reports.map((report) => report[figure]));
      return { cell, accuracy: over('accuracy'), weightedF1: over('weightedF1'), macroF1: over('macroF1') };
    }),
    curves: SETTINGS.flatMap((setting): CurveSummary[] => {
      const curves = members.flatMap(({ result }) => result.curves.filter((curve) => curve.setting === setting));
      if (curves.length === 0) return [];
      const drops = curves.flatMap(({ drop }) => drop ?? []);
      const area = summarizeSeeds(curves.map((curve) => curve.area));
      return [{ setting, area, drop: drops.length === curves.length ? summarizeSeeds(drops) : null }];
    }),
  };
}

function cellNames(members: readonly RunResult[]): string[] {
  return [...new Set(members.flatMap(({ result }) => result.cells.map(({ cell }) => cell)))];
}

function compareGroups(first: Group<RunResult>, second: Group<RunResult>): Comparison | undefined {
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

function notesOn({ label, members }: Group<RunResult>): string[] {
  const hashes = new Set(members.map(({ result }) => result.evaluation.postsHash));
  return hashes.size > 1 ? [`${label}: the seeds were evaluated on different posts`] : [];
}
