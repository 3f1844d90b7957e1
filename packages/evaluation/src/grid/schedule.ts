import { readJson } from '@drf/files';
import { DataError } from '@drf/tensor';
import type { MethodOptions } from '@drf/experiment';
import { spell } from '@drf/terminal';
import type { StoredCell } from '../store/records.js';
import type { GridExperiment } from './plan.js';

export const SCHEDULES_FORMAT = 'drf-schedules/1';

/** A learning schedule to try: of everything but encoders. */
export interface Schedule {
  readonly learningRate: number;
  readonly epochs: number;
}

/** How a method did under a schedule, on the validation split. */
export interface TriedSchedule extends Schedule {
  readonly method: string;
  /** Means over the seeds. */
  readonly accuracy: number;
  readonly weightedF1: number;
}

/** Content of the file that `drf eval schedule` writes and `drf eval grid --schedules` reads. */
export interface Schedules {
  readonly format: typeof SCHEDULES_FORMAT;
  readonly experiment: string;
  readonly seeds: readonly number[];
  /** Validation posts that chose. */
  readonly posts: number;
  readonly tried: readonly TriedSchedule[];
  /** The chosen ones, as experiments take options of methods. */
  readonly methods: MethodOptions;
}

/** Every learning rate with every number of epochs. */
export function schedulesOf(rates: readonly number[], epochs: readonly number[]): Schedule[] {
  return epochs.flatMap((count) => rates.map((learningRate) => ({ learningRate, epochs: count })));
}

/** The experiment's name under a schedule: `mvsa-s+rate0.0003+epochs5`. */
export function nameUnder(name: string, { learningRate, epochs }: Schedule): string {
  return `${name}+rate${learningRate}+epochs${epochs}`;
}

/** An experiment with a schedule in place of its own. */
export function under(experiment: GridExperiment, schedule: Schedule): GridExperiment {
  return (overrides) => {
    const config = experiment(overrides);
    return { ...config, name: nameUnder(config.name, schedule), training: { ...config.training, ...schedule } };
  };
}

/**
 * The best schedule of each method: highest mean accuracy over the seeds, then weighted F1, then the earlier in the list.
 * @param cells of intact validation posts, one a method, schedule and seed
 * @throws DataError where a cell is missing: a choice is fair only among the same candidates for all
 */
export function chooseSchedules(
  cells: readonly StoredCell[],
  wanted: {
    readonly experiment: string;
    readonly methods: readonly string[];
    readonly schedules: readonly Schedule[];
    readonly seeds: readonly number[];
  },
): Schedules {
  const { experiment, methods, schedules, seeds } = wanted;
  const find = (method: string, schedule: Schedule, seed: number): StoredCell => {
    const name = nameUnder(experiment, schedule);
    const cell = cells.find((own) => own.experiment === name && own.method === method && own.seed === seed);
    if (cell !== undefined) return cell;
    throw new DataError({
      subject: `Schedules of ${experiment}`,
      expected: `a training of ${method} by ${name}, seed ${seed}`,
      received: 'none',
      remedy: 'run the same command again',
    });
  };
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const tried = methods.flatMap((method) =>
    schedules.map((schedule): TriedSchedule => {
      const own = seeds.map((seed) => find(method, schedule, seed));
      const accuracy = mean(own.map((cell) => cell.accuracy));
      return { method, ...schedule, accuracy, weightedF1: mean(own.map((cell) => cell.weightedF1)) };
    }),
  );
  const chosen = methods.map((method) => {
    const { learningRate, epochs } = tried
      .filter((one) => one.method === method)
      .reduce((best, one) => (isBetter(one, best) ? one : best));
    return [method, { training: { learningRate, epochs } }] as const;
  });
  const posts = find(methods[0] as string, schedules[0] as Schedule, seeds[0] as number).posts;
  return { format: SCHEDULES_FORMAT, experiment, seeds, posts, tried, methods: Object.fromEntries(chosen) };
}

function isBetter(one: TriedSchedule, other: TriedSchedule): boolean {
  if (one.accuracy !== other.accuracy) return one.accuracy > other.accuracy;
  return one.weightedF1 > other.weightedF1;
}

const LARGEST_FILE = 1024 * 1024;

/** Reads a file of schedules. @throws DataError when it is none */
export async function readSchedules(path: string): Promise<Pick<Schedules, 'methods'>> {
  const content = (await readJson(path, LARGEST_FILE)) as Partial<Schedules> | null;
  if (content?.format !== SCHEDULES_FORMAT || typeof content.methods !== 'object') {
    throw new DataError({
      subject: `Schedules ${path}`,
      expected: `a file of format ${SCHEDULES_FORMAT}`,
      received: JSON.stringify(content?.format) ?? 'another file',
      remedy: `make one: ${spell('eval schedule --out schedules.json')}`,
    });
  }
  return { methods: content.methods };
}
