import {
  fixedStrategies,
  formatStrategy,
  moduleOf,
  PAPER_RATIOS,
  parseStrategy,
  randomStrategies,
  type DisruptionEntry,
  type Strategy,
} from '@drf/disruption';
import { suggestion } from '@drf/terminal';
import { ConfigurationError } from '@drf/tensor';

/** One row of an evaluation: all posts of the split under one disruption. */
export interface Cell {
  /** `clean`, or the strategy as written on the command line (`fixed:image:C`). */
  readonly name: string;
  readonly strategy: Strategy;
  /** Disruptions as a manifest gives them, instead of planned ones. */
  readonly byId?: ReadonlyMap<string, DisruptionEntry>;
}

/** Intact posts. */
export const CLEAN: Cell = { name: 'clean', strategy: { kind: 'none' } };

export function cellOf(strategy: Strategy): Cell {
  return strategy.kind === 'none' ? CLEAN : { name: formatStrategy(strategy), strategy };
}

/** The paper's cells: clean, modality-fixed {image, text} × {C, D, C+D}, modality-random dr × {C, D, C+D}. */
export function paperCells(ratios: readonly number[] = PAPER_RATIOS): Cell[] {
  return [CLEAN, ...fixedStrategies().map(cellOf), ...randomStrategies(ratios).map(cellOf)];
}

/**
 * Reads `--cells`: names of groups (`clean`, `fixed`, `random`) and strategies, separated by commas. The clean cell
 * always comes first, since the others are measured against it.
 * @param ratios of the group `random`
 * @throws ConfigurationError for an unknown cell, with the nearest name
 */
export function parseCells(text: string, ratios: readonly number[] = PAPER_RATIOS): Cell[] {
  const cells = [CLEAN, ...text.split(',').flatMap((name) => cellsOf(name.trim(), ratios))];
  return [...new Map(cells.map((cell) => [cell.name, cell])).values()];
}

function cellsOf(name: string, ratios: readonly number[]): Cell[] {
  if (name === 'clean') return [CLEAN];
  if (name === 'fixed') return fixedStrategies().map(cellOf);
  if (name === 'random') return randomStrategies(ratios).map(cellOf);
  try {
    return [cellOf(parseStrategy(name))];
  } catch (error) {
    if (!(error instanceof ConfigurationError) || moduleOf(name) !== undefined) throw error;
    throw unknownCell(name, ratios, error);
  }
}

function unknownCell(name: string, ratios: readonly number[], cause: ConfigurationError): ConfigurationError {
  const names = ['fixed', 'random', ...paperCells(ratios).map((cell) => cell.name)];
  return new ConfigurationError(
    {
      subject: '--cells',
      expected: 'clean, fixed, random, or strategies such as fixed:image:C+D or random:0.6:D',
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
