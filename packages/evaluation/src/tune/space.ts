import {
  comparedOptions,
  configOption,
  trainsEncoders,
  valueOfOption,
  type ConfigOption,
  type ExperimentConfig,
} from '@drf/experiment';
import { ConfigurationError, createRandom, isOwnId, refuser } from '@drf/tensor';

/** An option that is searched, and where. */
export type Dimension = {
  /** As flags spell it, such as `training.learning-rate`. */
  readonly name: string;
} & (
  | {
      readonly kind: 'range';
      readonly low: number;
      readonly high: number;
      /** `log`: as many trials from 1 to 10 as from 10 to 100. */
      readonly scale: 'linear' | 'log';
      readonly isWhole: boolean;
    }
  | { readonly kind: 'choices'; readonly values: readonly unknown[] }
);

/** A value for each searched option, by its name. */
export type OptionValues = Readonly<Record<string, unknown>>;

/** Options whose values cannot be compared by validation accuracy, with why not. */
const UNSEARCHABLE: Readonly<Record<string, string>> = {
  seed: 'a lucky seed is no better option',
  'training.selection': 'it is what scores mean',
  'training.disruption': 'validation posts are disrupted by it, too',
};

/**
 * One `--search`: `training.learning-rate=1e-5..1e-3:log`, `training.epochs=5..20`, `model.dim=64,128,256`.
 * @throws ConfigurationError for an option that there is not (with the nearest), that does not decide results or whose
 *   values cannot be compared, and for values that it does not take
 */
export function parseSearch(text: string): Dimension {
  const [, given = '', range = ''] = /^\s*([^=\s]+)\s*=(.*)$/s.exec(text) ?? [];
  const subject = `--search ${text}`;
  const refuse = refuser(ConfigurationError, subject);
  if (given === '') {
    const expected = 'NAME=LOW..HIGH, NAME=LOW..HIGH:log or NAME=VALUE,VALUE';
    throw refuse(expected, text, 'such as training.learning-rate=1e-5..1e-3:log');
  }
  const option = configOption(given, subject);
  const name = option.flag.slice(2);
  const isData = option.path[0] === 'dataset';
  const why = UNSEARCHABLE[name] ?? (isData ? 'other posts are not the same question' : undefined);
  if (option.effect !== 'result' || why !== undefined) {
    throw refuse('an option that decides how well a method learns', name, why ?? 'leave it out');
  }
  return range.includes('..') ? parseRange(name, range, option, subject) : parseChoices(name, range, option, subject);
}

function parseRange(name: string, text: string, option: ConfigOption, subject: string): Dimension {
  const refuse = refuser(ConfigurationError, subject);
  const [, low = '', high = '', , scale] = /^\s*(\S+?)\.\.(\S+?)(:(\w+))?\s*$/.exec(text) ?? [];
  if (option.takes === 'others') throw refuse(`values of --${name}, separated by commas`, text, 'it takes no ranges');
  if (scale !== undefined && scale !== 'log' && scale !== 'linear') {
    throw refuse(':log, :linear or nothing behind a range', `:${scale}`, 'write LOW..HIGH:log');
  }
  const ends = { low: Number(low), high: Number(high) };
  if (low === '' || high === '' || !(ends.low < ends.high) || !Number.isFinite(ends.high - ends.low)) {
    throw refuse('a range LOW..HIGH with LOW below HIGH', text.trim(), 'such as 1e-5..1e-3:log');
  }
  if (scale === 'log' && ends.low <= 0) throw refuse('a positive LOW with :log', low, 'begin above 0');
  for (const value of [ends.low, ends.high]) assertTaken(value, option, subject);
  return { name, kind: 'range', ...ends, scale: scale ?? 'linear', isWhole: option.takes === 'whole numbers' };
}

function parseChoices(name: string, text: string, option: ConfigOption, subject: string): Dimension {
  const values = text.split(',').map((part) => option.fromText(part.trim()));
  for (const value of values) assertTaken(value, option, subject);
  const distinct = [...new Map(values.map((value) => [JSON.stringify(value), value])).values()];
  if (distinct.length > 1) return { name, kind: 'choices', values: distinct };
  const refuse = refuser(ConfigurationError, subject);
  throw refuse('two values at least, or a range', text.trim(), `to set one value, give it as a flag: ${option.flag} ${text.trim()}`); // prettier-ignore
}

function assertTaken(value: unknown, option: ConfigOption, subject: string): void {
  const refusal = option.refusal(value);
  if (refusal === undefined) return;
  throw refuser(ConfigurationError, subject)(
    `values that ${option.flag} takes`,
    `${shown(value)} (${refusal})`,
    '--help says what each option takes',
  );
}

/**
 * What is searched unless a person says otherwise, around what the experiment has: learning rates from a tenth to tenfold,
 * half to double the epochs and the width, weight decay, and where encoders are trained their learning rate.
 * @param isGiven tells of an option that a person has set, which stays
 */
export function defaultSpace(config: ExperimentConfig, isGiven: (path: readonly string[]) => boolean): Dimension[] {
  const { method, training, model } = config;
  const around = (name: string, rate: number): Dimension => {
    const [low, high] = [rounded(rate / 10, 3), rounded(rate * 10, 3)];
    return { name, kind: 'range', low, high, scale: 'log', isWhole: false };
  };
  const halfToDouble = (name: string, value: number): Dimension => {
    const values = [...new Set([Math.max(1, Math.round(value / 2)), value, 2 * value])];
    return { name, kind: 'choices', values };
  };
  const isDrf =
    method.startsWith('drf') || ['concatenation', 'image-only', 'text-only', 'late-fusion'].includes(method);
  const widths = isDrf
    ? [halfToDouble('model.dim', model.dim)]
    : isOwnId(method)
      ? []
      : [halfToDouble('compared.width', comparedOptions(config).width)];
  const all: Dimension[] = [
    around('training.learning-rate', training.learningRate),
    ...(trainsEncoders(config) ? [around('training.encoder-learning-rate', training.encoderLearningRate)] : []),
    halfToDouble('training.epochs', training.epochs),
    ...widths,
    { name: 'training.weight-decay', kind: 'range', low: 1e-4, high: 0.3, scale: 'log', isWhole: false },
  ];
  return all.filter(({ name }) => !isGiven(configOption(name, name).path));
}

/**
 * Checks what is searched together.
 * @throws ConfigurationError for an option that is searched twice, or searched and set, and for too many
 */
export function assertSpace(space: readonly Dimension[], isGiven: (path: readonly string[]) => boolean): void {
  const refuse = refuser(ConfigurationError, '--search');
  const names = space.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) throw refuse('each option once', `${twice} twice`, 'leave one out');
  const set = names.find((name) => isGiven(configOption(name, name).path));
  if (set !== undefined) throw refuse('options that are not set by a flag, too', set, 'leave one of the two out');
  if (space.length === 0) throw refuse('an option to search', 'none: all are set by flags', 'name one');
  if (space.length > PRIMES.length) {
    throw refuse(`at most ${PRIMES.length} options`, String(space.length), 'search the most promising ones');
  }
}

/** Bases of the sequences of up to so many options. */
const PRIMES = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37];
/** Digits beyond which a place moves by less than 2⁻³². */
const RESOLUTION = 2 ** 32;

/**
 * Place `index` of a randomized Halton sequence, in [0, 1): places that fill each axis more evenly than independent random
 * numbers do, with digits that are permuted at random, each place of digits by its own permutation.
 * Source: Owen, "A randomized Halton algorithm in R" (2017).
 * @param axis which of the sequence's axes, from 0
 */
export function haltonPoint(index: number, axis: number, seed: number): number {
  const base = PRIMES[axis] as number;
  const random = createRandom(seed).fork('halton').fork(axis);
  const digits = Array.from({ length: base }, (_, digit) => digit);
  let [rest, place, value] = [index, 1, 0];
  for (let position = 0; place * RESOLUTION > 1; position++) {
    place /= base;
    value += place * (random.fork(position).shuffle(digits)[rest % base] as number);
    rest = Math.floor(rest / base);
  }
  return Math.min(value, 1 - 2 ** -53);
}

/** The values of a trial. @param index of the trial among those that are sampled, from 0 */
export function sampleValues(space: readonly Dimension[], index: number, seed: number): OptionValues {
  return Object.fromEntries(
    space.map((dimension, axis) => [dimension.name, valueAt(dimension, haltonPoint(index, axis, seed))]),
  );
}

/** Values have three digits, so that what is shown is what was used. */
const DIGITS = 3;

/** @param place in [0, 1) */
function valueAt(dimension: Dimension, place: number): unknown {
  if (dimension.kind === 'choices') return dimension.values[Math.floor(place * dimension.values.length)];
  const { low, high, scale, isWhole } = dimension;
  if (scale === 'log') {
    const value = low * (high / low) ** place;
    return Math.min(high, Math.max(low, isWhole ? Math.round(value) : rounded(value, DIGITS)));
  }
  if (isWhole) return low + Math.floor(place * (high - low + 1));
  return Math.min(high, Math.max(low, rounded(low + place * (high - low), DIGITS)));
}

function rounded(value: number, digits: number): number {
  return Number(value.toPrecision(digits));
}

/** The values as an experiment takes them. */
export function overridesOf(values: OptionValues): Record<string, unknown> {
  const overrides: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(values)) {
    const { path } = configOption(name, name);
    let node = overrides;
    for (const key of path.slice(0, -1)) node = (node[key] ??= {}) as Record<string, unknown>;
    node[path.at(-1) as string] = value;
  }
  return overrides;
}

/** What an experiment has for the searched options. */
export function valuesOf(space: readonly Dimension[], config: ExperimentConfig): OptionValues {
  return Object.fromEntries(space.map(({ name }) => [name, valueOfOption(config, configOption(name, name).path)]));
}

/** Whether each value lies where its option is searched. */
export function isInSpace(space: readonly Dimension[], values: OptionValues): boolean {
  return space.every((dimension) => {
    const value = values[dimension.name];
    if (dimension.kind === 'choices') {
      return dimension.values.some((own) => JSON.stringify(own) === JSON.stringify(value));
    }
    return typeof value === 'number' && value >= dimension.low && value <= dimension.high;
  });
}

/** A value for a person, and for a command line. */
export function shown(value: unknown): string {
  if (value === undefined) return 'default';
  if (Array.isArray(value)) return value.join(',');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Where an option is searched, for a person. */
export function describeDimension(dimension: Dimension): string {
  if (dimension.kind === 'choices') return dimension.values.map(shown).join(', ');
  return `${dimension.low} to ${dimension.high}${dimension.scale === 'log' ? ', by its logarithm' : ''}`;
}
