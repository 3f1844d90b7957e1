import {
  corruptionStrategies,
  fixedStrategies,
  formatStrategy,
  moduleOf,
  PAPER_RATIOS,
  parseStrategy,
  randomStrategies,
  type MissingStrategy,
  type Strategy,
} from '@drf/disruption';
import { suggestion } from '@drf/terminal';
import { ConfigurationError } from '@drf/tensor';

/** One part of a cross-validation, as an experiment's `dataset` has it. */
export interface Fold {
  /** From 1. */
  readonly fold: number;
  readonly folds: number;
}

/** One model judging all posts of a split: what it was trained on, what is done to the posts, and by which chance. */
export interface Cell {
  /** Disruption of the training posts. */
  readonly trainedOn: Strategy;
  /** Disruption of the judged posts; `none` is the clean cell. */
  readonly testedOn: Strategy;
  /** null outside of a cross-validation, and of all folds together. */
  readonly fold: Fold | null;
  /** Decides the model's start, the order of its posts and all disruptions. */
  readonly seed: number;
}

/** The disruption of the clean cell: none. */
export const CLEAN: Strategy = { kind: 'none' };

const CLEAN_NAME = 'clean';

/**
 * A cell as people write it: `clean`, `fixed:image:C`, `random:0.6:D trained:random:0.6:D fold:2/5 seed:3`. What is left
 * out is intact training posts, no cross-validation and seed 0, or unknown.
 */
export function formatCell({ testedOn, trainedOn = CLEAN, fold = null, seed = 0 }: PartOfCell): string {
  return [
    testedOn.kind === 'none' ? CLEAN_NAME : formatStrategy(testedOn),
    ...(trainedOn.kind === 'none' ? [] : [`trained:${formatStrategy(trainedOn)}`]),
    ...(fold === null ? [] : [`fold:${fold.fold}/${fold.folds}`]),
    ...(seed === 0 ? [] : [`seed:${seed}`]),
  ].join(' ');
}

type PartOfCell = Pick<Cell, 'testedOn'> & Partial<Cell>;

const CELL = /^(\S+)(?: trained:(\S+))?(?: fold:(\d+)\/(\d+))?(?: seed:(\d+))?$/;

/** The reverse of {@link formatCell}. @throws ConfigurationError for anything else */
export function parseCell(text: string): Cell {
  const [, tested, trained, fold, folds, seed = 0] = CELL.exec(text) ?? [];
  if (tested === undefined) {
    throw new ConfigurationError({
      subject: 'Cell',
      expected: 'a disruption, and where they matter trained:, fold: and seed:, in this order',
      received: JSON.stringify(text),
      remedy: 'write it like random:0.6:D trained:random:0.6:D fold:2/5 seed:3',
    });
  }
  return {
    testedOn: tested === CLEAN_NAME ? CLEAN : parseStrategy(tested),
    trainedOn: trained === undefined ? CLEAN : parseStrategy(trained),
    fold: fold === undefined ? null : { fold: Number(fold), folds: Number(folds) },
    seed: Number(seed),
  };
}

/** Whether two disruptions are the same. */
export function isSameStrategy(one: Strategy, other: Strategy): boolean {
  return formatStrategy(one) === formatStrategy(other);
}

/** The disruptions of the paper's cells: none, fixed {image, text} × {C, D, C+D}, random dr × {C, D, C+D}. */
export function paperStrategies(ratios: readonly number[] = PAPER_RATIOS): Strategy[] {
  return [CLEAN, ...fixedStrategies(), ...randomStrategies(ratios)];
}

/**
 * Missing rates: the image alone, the text alone, and each in half of the rate, at every rate.
 * @param ratios default: those of the paper's modality-random strategy
 */
export function missingStrategies(ratios: readonly number[] = PAPER_RATIOS): MissingStrategy[] {
  return ratios.flatMap((rate): MissingStrategy[] => [
    { kind: 'missing', image: rate, text: 0 },
    { kind: 'missing', image: 0, text: rate },
    { kind: 'missing', image: rate / 2, text: rate / 2 },
  ]);
}

/**
 * Reads `--cells`: names of groups (`clean`, `fixed`, `random`, `corruptions`, `missing`) and disruptions, separated by
 * commas. The clean cell always comes first, since the others are measured against it.
 * @param ratios of the groups `random` and `missing`
 * @throws ConfigurationError for an unknown cell, with the nearest name
 */
export function parseStrategies(text: string, ratios: readonly number[] = PAPER_RATIOS): Strategy[] {
  const strategies = [CLEAN, ...text.split(',').flatMap((name) => strategiesOf(name.trim(), ratios))];
  return [...new Map(strategies.map((strategy) => [formatStrategy(strategy), strategy])).values()];
}

function strategiesOf(name: string, ratios: readonly number[]): readonly Strategy[] {
  if (name === 'fixed') return fixedStrategies();
  if (name === 'random') return randomStrategies(ratios);
  if (name === 'corruptions') return corruptionStrategies();
  if (name === 'missing') return missingStrategies(ratios);
  try {
    const cell = parseCell(name);
    if (formatCell({ testedOn: cell.testedOn }) === formatCell(cell)) return [cell.testedOn];
  } catch (error) {
    const isNoOtherName = moduleOf(name) !== undefined || /^missing:|@(?![1-5]$)/.test(name);
    if (!(error instanceof ConfigurationError) || isNoOtherName) throw error; // it says which part is wrong
    throw unknownCell(name, ratios, error);
  }
  throw unknownCell(name, ratios);
}

function unknownCell(name: string, ratios: readonly number[], cause?: ConfigurationError): ConfigurationError {
  const names = [
    'fixed',
    'random',
    'corruptions',
    'missing',
    ...[...paperStrategies(ratios), ...corruptionStrategies()].map((testedOn) => formatCell({ testedOn })),
  ];
  return new ConfigurationError(
    {
      subject: '--cells',
      expected:
        'clean, fixed, random, corruptions, missing, or strategies such as fixed:image:C+D, random:0.6:D or fixed:text:typos@3',
      received: JSON.stringify(name),
      remedy: suggestion(name, names),
    },
    { cause },
  );
}

/**
 * Reads `--ratios`: shares of disrupted posts above 0, separated by commas; ascending, each once.
 * @throws ConfigurationError for one that is no number above 0 and up to 1
 */
export function parseRatios(text: string): number[] {
  const ratios = text.split(',').map((part) => {
    const ratio = /^\s*(\d+(\.\d+)?|\.\d+)\s*$/.test(part) ? Number(part) : Number.NaN;
    if (ratio > 0 && ratio <= 1) return ratio;
    throw new ConfigurationError({
      subject: '--ratios',
      expected: 'numbers above 0 and up to 1, separated by commas (0 is the clean cell)',
      received: JSON.stringify(part),
      remedy: 'write them like 0.2,0.6,1',
    });
  });
  return [...new Set(ratios)].sort((first, second) => first - second);
}
