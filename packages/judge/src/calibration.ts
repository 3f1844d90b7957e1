import { MINIMUM_POSTS, type TemperatureBasis } from '@drf/metrics';
import { DataError, MODALITIES, type Modality } from '@drf/tensor';

/** What a run's result needs to speak of single posts, measured once at the end of training: `calibration.json`. */
export interface Calibration {
  readonly format: typeof CALIBRATION_FORMAT;
  /** The checkpoint that it belongs to. */
  readonly checkpoint: string;
  /** Fitted on the validation split (under the run's disruption); null without one. */
  readonly temperature: {
    readonly temperature: number;
    /** Mean negative log-likelihood on those posts before and after. */
    readonly before: number;
    readonly after: number;
    readonly posts: number;
    /** Why it is what it is: fitted, or left at 1. */
    readonly basis: TemperatureBasis;
  } | null;
  /**
   * Quantiles (steps of 1/200) of the log relative density of posts' features, by modality: a new post of the same kind
   * lies below each as often as it says. null for methods that estimate none, and for a modality that fewer than two
   * posts have.
   */
  readonly quality: QualityDistributions | null;
}

/** Densities that a post's quality is read from, and whose they are. */
export interface QualityDistributions extends Readonly<Record<Modality, readonly number[] | null>> {
  readonly measuredOn: QualityBasis;
  /** How many posts the quantiles are of. */
  readonly posts: Readonly<Record<Modality, number>>;
}

/**
 * Posts that densities were measured on: those of the validation split; those of the training split, each by Gaussians
 * that were fitted without it; or the training posts by the very distributions that they are part of, next to which new
 * posts look a little worse than they are.
 */
export type QualityBasis = 'validation' | 'training-cross-fitted' | 'training';

export const CALIBRATION_FORMAT = 'drf-calibration-2';
/** Of runs from before temperatures had a prior, and densities posts of their own. */
const EARLIER_FORMAT = 'drf-calibration-1';

/**
 * A calibration as `writeCalibration` of `@drf/experiment` writes it. One of an earlier version comes in the present form: its densities
 * are of training posts by the distributions that they are part of, and its temperature is 1 where there were too few
 * posts for one, or it lay at a bound of its search.
 * @throws DataError for anything else
 */
export function assertCalibration(path: string, value: unknown): Calibration {
  const { format, checkpoint, temperature, quality } = (value ?? {}) as Partial<Calibration>;
  const isEarlier = (format as string) === EARLIER_FORMAT;
  const whole =
    (format === CALIBRATION_FORMAT || isEarlier) &&
    typeof checkpoint === 'string' &&
    (temperature === null || isTemperature(temperature)) &&
    (quality === null || MODALITIES.every((modality) => isDistribution(quality?.[modality]))) &&
    (isEarlier || quality === null || isBasis(quality));
  if (whole) return isEarlier ? inPresentForm(value as Calibration) : (value as Calibration);
  throw new DataError({
    subject: path,
    expected: `a calibration of format ${CALIBRATION_FORMAT}`,
    received: format === CALIBRATION_FORMAT || isEarlier ? 'a damaged one' : `format ${JSON.stringify(format)}`,
    remedy: 'restore the file, or train again',
  });
}

function isTemperature(value: Calibration['temperature'] | undefined): boolean {
  const { temperature, posts } = value ?? {};
  return Number.isFinite(temperature) && (temperature as number) > 0 && Number.isInteger(posts);
}

function isBasis({ measuredOn, posts }: Partial<QualityDistributions> = {}): boolean {
  return typeof measuredOn === 'string' && MODALITIES.every((modality) => Number.isInteger(posts?.[modality]));
}

function isDistribution(value: unknown): boolean {
  if (value === null) return true;
  const isAscending = (list: readonly unknown[]): boolean =>
    list.every((item, i) => Number.isFinite(item) && (i === 0 || (list[i - 1] as number) <= (item as number)));
  return Array.isArray(value) && value.length > 1 && isAscending(value);
}

/** How far from its bounds, 0.05 and 20, a temperature of the earlier search counts as found. */
const FOUND = { low: 0.0505, high: 19.9 };

function inPresentForm({ checkpoint, temperature, quality }: Calibration): Calibration {
  const posts = { image: 0, text: 0 }; // not known
  return {
    format: CALIBRATION_FORMAT,
    checkpoint,
    temperature: temperature === null ? null : { ...temperature, ...presentTemperature(temperature) },
    quality: quality === null ? null : { ...quality, measuredOn: 'training', posts },
  };
}

function presentTemperature({ temperature, posts }: NonNullable<Calibration['temperature']>): {
  readonly temperature: number;
  readonly basis: TemperatureBasis;
} {
  if (posts < MINIMUM_POSTS) return { temperature: 1, basis: 'few-posts' };
  if (temperature < FOUND.low || temperature > FOUND.high) return { temperature: 1, basis: 'at-bound' };
  return { temperature, basis: 'fitted' };
}

/** What a calibration's figures rest on, one sentence each, for people. */
export function describeCalibration(calibration: Calibration | null): string[] {
  if (calibration === null) {
    return ['The run has no calibration.json: probabilities are the model’s own, quality is not known.'];
  }
  const { temperature, quality } = calibration;
  return [describeTemperature(temperature), ...(quality === null ? [] : [describeQuality(quality)])];
}

function describeTemperature(temperature: Calibration['temperature']): string {
  const own = 'Probabilities are the model’s own, not calibrated: ';
  if (temperature === null) return `${own}there are no validation posts.`;
  const { posts, basis } = temperature;
  const counted = `${posts} validation ${posts === 1 ? 'post' : 'posts'}`;
  switch (basis) {
    case 'few-posts':
      return `${own}${counted} cannot tell how sure to be (${MINIMUM_POSTS} can).`;
    case 'one-class':
      return `${own}all ${counted} are of one class.`;
    case 'at-bound':
      return `${own}no temperature fits the ${counted} best.`;
    case 'fitted':
      return `Probabilities are calibrated on ${counted}: temperature ${temperature.temperature.toFixed(2)}.`;
  }
}

function describeQuality({ measuredOn, posts }: QualityDistributions): string {
  const counts = `${posts.image} images and ${posts.text} texts`;
  switch (measuredOn) {
    case 'validation':
      return `Quality compares with ${counts} of the validation posts.`;
    case 'training-cross-fitted':
      return `Quality compares with ${counts} of the training posts, each measured by what was fitted without it.`;
    case 'training':
      return 'Quality compares with the training posts themselves: new ones look a little worse than they are.';
  }
}
