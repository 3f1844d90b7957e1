import type { ExperimentConfig } from '@drf/experiment';
import type { ExperimentFacts } from '../grid/tasks.js';
import { shownPath } from '../result.js';
import { epochsAt, ranked, winner, type HalvingOptions } from './halving.js';
import { importanceOf, luckOfBest, type Importance } from './importance.js';
import type { TrialResult } from './journal.js';
import { isInSpace, shown, type Dimension, type OptionValues } from './space.js';

/** A trial with everything that is known of it. */
export interface TunedTrial {
  /** 0: the experiment's own options. */
  readonly trial: number;
  readonly options: OptionValues;
  /** Of its full training. */
  readonly fullEpochs: number;
  /** One a rung that it reached. */
  readonly results: readonly TrialResult[];
}

/** Content of `tune.json`. */
export interface TuneSummary {
  readonly format: 'drf-tune/1';
  /** `out of time`: the limit in seconds ended it, and what was best was trained in full. */
  readonly outcome: 'finished' | 'out of time' | 'interrupted';
  readonly folder: string;
  readonly experiment: string;
  readonly method: string;
  readonly seed: number;
  readonly selection: ExperimentConfig['training']['selection'];
  readonly posts: ExperimentFacts['posts'];
  readonly space: readonly Dimension[];
  /** The experiment's own options. */
  readonly before: OptionValues;
  readonly limits: { readonly trainings: number | null; readonly seconds: number | null };
  readonly eta: number;
  readonly rungs: number;
  /** In all sessions. */
  readonly seconds: number;
  readonly trials: readonly TunedTrial[];
  /** The best trial that was trained in full; null while there is none. */
  readonly best: {
    readonly trial: number;
    readonly options: OptionValues;
    readonly result: TrialResult;
    readonly run: string;
    /** Trains it again, by the same seed. */
    readonly command: string;
  } | null;
  /** The experiment's own options, trained in full; null while they are not. */
  readonly own: { readonly result: TrialResult; readonly mayWin: boolean } | null;
  /** What the best validation accuracy rests on; null while there is no best. */
  readonly caution: {
    /** Of an accuracy on so many posts. */
    readonly standardError: number;
    /** How far the best of so many trials would stand above equally good ones by luck alone, at most. */
    readonly luck: number;
  } | null;
  /** What mattered at the first rung, the most important option first; empty below a few trials. */
  readonly importance: readonly Importance[];
}

interface Tuned {
  readonly outcome: TuneSummary['outcome'];
  readonly base: ExperimentConfig;
  readonly space: readonly Dimension[];
  readonly valuesOf: (trial: number) => OptionValues;
  readonly fullEpochsOf: (trial: number) => number;
  readonly results: readonly TrialResult[];
  readonly halving: HalvingOptions;
  readonly facts: ExperimentFacts;
  readonly folder: string;
  readonly command: readonly string[];
  readonly limits: TuneSummary['limits'];
  readonly seconds: number;
}

/** Below so many scored trials nothing is said about what mattered. */
const FEWEST_TRIALS = 8;

/** Puts together what a tuning found. */
export function describeTuning(tuned: Tuned): TuneSummary {
  const { base, space, results, halving, facts } = tuned;
  const trials = [...new Set(results.map(({ trial }) => trial))]
    .sort((a, b) => a - b)
    .map((trial): TunedTrial => {
      const own = results.filter((result) => result.trial === trial).sort((a, b) => a.rung - b.rung);
      return { trial, options: tuned.valuesOf(trial), fullEpochs: fullEpochs(tuned, trial, own), results: own };
    });
  const isWhole = ({ rung, failure }: TrialResult): boolean => rung === halving.rungs - 1 && failure === null;
  const best = winner(results, halving);
  const bestResult = results.find((own) => isWhole(own) && own.trial === best?.trial);
  const ownResult = results.find((own) => isWhole(own) && own.trial === 0);
  const first = trials.flatMap(({ options, results: own }) => {
    const score = own.find(({ rung }) => rung === 0)?.score ?? null;
    return score === null || !isInSpace(space, options) ? [] : [{ values: options, score }];
  });
  const options = bestResult === undefined ? {} : tuned.valuesOf(bestResult.trial);
  return {
    format: 'drf-tune/1',
    outcome: tuned.outcome,
    folder: shownPath(tuned.folder),
    experiment: base.name,
    method: base.method,
    seed: base.seed,
    selection: base.training.selection,
    posts: facts.posts,
    space,
    before: tuned.valuesOf(0),
    limits: tuned.limits,
    eta: halving.eta,
    rungs: halving.rungs,
    seconds: tuned.seconds,
    trials,
    best:
      bestResult === undefined
        ? null
        : {
            trial: bestResult.trial,
            options,
            result: bestResult,
            run: shownPath(`${tuned.folder}/best`),
            command: commandOf(tuned.command, bestResult.trial === 0 ? {} : options),
          },
    own: ownResult === undefined ? null : { result: ownResult, mayWin: halving.ownMayWin },
    caution: bestResult === undefined ? null : cautionOf(bestResult, trials.length),
    importance: first.length < FEWEST_TRIALS ? [] : importanceOf(space, first, base.seed),
  };
}

/** As its last result says; of a trial that failed at once, unknown options included, what it would have been. */
function fullEpochs({ fullEpochsOf, halving }: Tuned, trial: number, results: readonly TrialResult[]): number {
  try {
    return fullEpochsOf(trial);
  } catch {
    return epochsAt(halving.rungs - 1, Math.max(1, ...results.map(({ epochs }) => epochs)), halving);
  }
}

function cautionOf({ accuracy, posts }: TrialResult, trials: number): TuneSummary['caution'] {
  const share = accuracy ?? 0;
  const standardError = Math.sqrt((share * (1 - share)) / Math.max(1, posts));
  return { standardError, luck: standardError * luckOfBest(trials) };
}

/** For a POSIX shell. */
function commandOf(command: readonly string[], options: OptionValues): string {
  const flags = Object.entries(options).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, shown(value)],
  );
  return [...command, ...flags].map(quoted).join(' ');
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** Results by the order in which they came, each with the best accuracy up to then among full trainings and among all. */
export function courseOf({ trials, rungs }: Pick<TuneSummary, 'trials' | 'rungs'>): {
  readonly any: readonly { readonly at: number; readonly best: number }[];
  readonly whole: readonly { readonly at: number; readonly best: number }[];
} {
  const all = trials.flatMap(({ results }) => results).sort((a, b) => a.at - b.at);
  const courseAmong = (results: readonly TrialResult[]): { at: number; best: number }[] => {
    let best: number | null = null;
    return results.flatMap(({ at, accuracy }) => {
      if (accuracy === null || (best !== null && accuracy <= best)) return [];
      best = accuracy;
      return [{ at, best }];
    });
  };
  return { any: courseAmong(all), whole: courseAmong(all.filter(({ rung }) => rung === rungs - 1)) };
}

/** The trials by their last results: those that went furthest first, and of these the best. */
export function standings({ trials }: Pick<TuneSummary, 'trials'>): readonly TunedTrial[] {
  const last = new Map(trials.map((own) => [own.trial, own.results.at(-1) as TrialResult]));
  const order = new Map(ranked([...last.values()]).map(({ trial }, index) => [trial, index]));
  const rungOf = ({ trial }: TunedTrial): number => (last.get(trial)?.failure === null ? last.get(trial)?.rung ?? -1 : -1); // prettier-ignore
  return trials.toSorted(
    (a, b) => rungOf(b) - rungOf(a) || (order.get(a.trial) as number) - (order.get(b.trial) as number),
  );
}
