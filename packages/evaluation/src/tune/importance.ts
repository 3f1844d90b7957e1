import { createRandom, type Random } from '@drf/tensor';
import { shown, type Dimension, type OptionValues } from './space.js';

/** A trial's values and how it did. */
export interface ScoredValues {
  readonly values: OptionValues;
  readonly score: number;
}

/** How much of the differences between trials goes with one option. */
export interface Importance {
  readonly name: string;
  /**
   * Share of the variance of the scores that lies between groups of trials with like values of this option, from 0 to 1;
   * corrected for what groups of such sizes differ by chance (ε²).
   */
  readonly share: number;
  /** 95 % of bootstrap resamples of the trials lie here. */
  readonly interval: { readonly low: number; readonly high: number };
  /** How often shuffled scores give as large a share. */
  readonly pValue: number;
  /** Whether larger values go with higher scores: Spearman's rank correlation; null for choices that have no order. */
  readonly correlation: number | null;
  /** Groups of like values, in their order. */
  readonly groups: readonly { readonly values: string; readonly trials: number; readonly mean: number }[];
}

const RESAMPLES = 1000;
/** Of a range's trials, so many in a group. */
const GROUP_SIZE = 5;
const MOST_GROUPS = 4;

/**
 * What mattered, the most important option first: for each option alone a one-way analysis of variance of the scores, with
 * trials of a range in groups of the same size. Options that matter only together with others show too little here.
 * Source of ε²: Kelley, "An unbiased correlation ratio measure" (PNAS 1935).
 */
export function importanceOf(space: readonly Dimension[], trials: readonly ScoredValues[], seed = 0): Importance[] {
  const scores = trials.map(({ score }) => score);
  const all = space.map((dimension): Importance => {
    const random = createRandom(seed).fork('importance').fork(dimension.name);
    const groups = groupsOf(dimension, trials);
    const share = explained(groups, scores);
    const resampled = Array.from({ length: RESAMPLES }, () => {
      const drawn = trials.map(() => random.integer(trials.length));
      return explained(drawn.map((i) => groups[i] as number), drawn.map((i) => scores[i] as number)); // prettier-ignore
    }).sort((a, b) => a - b);
    return {
      name: dimension.name,
      share,
      interval: { low: resampled[25] as number, high: resampled[RESAMPLES - 26] as number },
      pValue: permutationP(groups, scores, share, random.fork('shuffled')),
      correlation: correlationOf(dimension, trials),
      groups: describeGroups(dimension, groups, trials),
    };
  });
  return all.sort((a, b) => b.share - a.share || a.pValue - b.pValue);
}

/** The group of each trial: its choice, or which of the equal parts of the trials its value falls into. */
function groupsOf(dimension: Dimension, trials: readonly ScoredValues[]): number[] {
  const values = trials.map(({ values: own }) => own[dimension.name]);
  if (dimension.kind === 'choices') {
    const names = dimension.values.map((value) => JSON.stringify(value));
    return values.map((value) => names.indexOf(JSON.stringify(value)));
  }
  const count = Math.max(1, Math.min(MOST_GROUPS, Math.floor(trials.length / GROUP_SIZE)));
  const ranks = ranksOf(values.map(Number));
  return ranks.map((rank) => Math.min(count - 1, Math.floor((rank * count) / trials.length)));
}

/** ε²: the share of variance between groups less what chance gives; 0 where there is nothing to compare. */
function explained(groups: readonly number[], scores: readonly number[]): number {
  const overall = mean(scores);
  const total = scores.reduce((sum, score) => sum + (score - overall) ** 2, 0);
  const byGroup = new Map<number, number[]>();
  groups.forEach((group, i) => byGroup.set(group, [...(byGroup.get(group) ?? []), scores[i] as number]));
  const within = [...byGroup.values()].reduce((sum, own) => {
    const center = mean(own);
    return sum + own.reduce((part, score) => part + (score - center) ** 2, 0);
  }, 0);
  const freedom = scores.length - byGroup.size;
  if (total === 0 || freedom <= 0 || byGroup.size < 2) return 0;
  const unexplained = within / freedom / (total / (scores.length - 1));
  return Math.min(1, Math.max(0, 1 - unexplained));
}

function permutationP(groups: readonly number[], scores: readonly number[], share: number, random: Random): number {
  let asLarge = 0;
  for (let i = 0; i < RESAMPLES - 1; i++) if (explained(groups, random.shuffle(scores)) >= share) asLarge++;
  return (asLarge + 1) / RESAMPLES;
}

function correlationOf(dimension: Dimension, trials: readonly ScoredValues[]): number | null {
  const values = trials.map(({ values: own }) => own[dimension.name]);
  if (!values.every((value) => typeof value === 'number')) return null;
  const [x, y] = [ranksOf(values.map(Number)), ranksOf(trials.map(({ score }) => score))];
  const [centerX, centerY] = [mean(x), mean(y)];
  const sum = (of: (i: number) => number): number => x.reduce((total, _, i) => total + of(i), 0);
  const spread = Math.sqrt(sum((i) => ((x[i] as number) - centerX) ** 2) * sum((i) => ((y[i] as number) - centerY) ** 2)); // prettier-ignore
  if (spread === 0) return null;
  return sum((i) => ((x[i] as number) - centerX) * ((y[i] as number) - centerY)) / spread;
}

/** From 0; equal values share the mean of their ranks. */
function ranksOf(values: readonly number[]): number[] {
  const sorted = [...values].sort((a, b) => a - b);
  return values.map((value) => (sorted.indexOf(value) + sorted.lastIndexOf(value)) / 2);
}

function describeGroups(
  dimension: Dimension,
  groups: readonly number[],
  trials: readonly ScoredValues[],
): Importance['groups'] {
  return [...new Set(groups)]
    .sort((a, b) => a - b)
    .map((group) => {
      const own = trials.filter((_, i) => groups[i] === group);
      const values = own.map(({ values: all }) => all[dimension.name]);
      const numbers = values.map(Number);
      const isRange = dimension.kind === 'range';
      const low = Math.min(...numbers);
      const high = Math.max(...numbers);
      return {
        values: !isRange ? shown(values[0]) : low === high ? String(low) : `${low} to ${high}`,
        trials: own.length,
        mean: mean(own.map(({ score }) => score)),
      };
    });
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * How far the best of several is expected to stand above their mean by luck alone, in standard errors: the mean of the
 * largest of so many standard normal numbers, by simulation.
 */
export function luckOfBest(count: number): number {
  const random = createRandom(0).fork('luck').fork(count);
  const draws = 2000;
  let sum = 0;
  for (let i = 0; i < draws; i++) {
    let most = -Infinity;
    for (let k = 0; k < count; k++) most = Math.max(most, random.normal());
    sum += most;
  }
  return Math.max(0, sum / draws);
}
