import { basename } from 'node:path';
import { CALIBRATION_FORMAT, type Calibration, type QualityBasis, type QualityDistributions } from '@drf/judge';
import { fitTemperature, quantilesOf } from '@drf/metrics';
import { byModality, createRandom, hostTensor, MODALITIES, type Engine, type Modality } from '@drf/tensor';
import { isFeatureSet, selectPosts, type PostSet } from '../feature-set.js';
import { Judge, type Judged, type Quality } from '../judge/judge.js';
import type { OpenedRun } from '../open-run.js';
import { crossFittedPosts, crossFittedQuality } from './cross-fit.js';

/** The run to calibrate, and the posts to do it by. */
export interface CalibrationSources {
  readonly engine: Engine;
  /** The run's result. */
  readonly run: OpenedRun;
  readonly train: PostSet;
  /** Left out or empty: no temperature. */
  readonly val?: PostSet;
  /** The validation posts as the run judges them, where that is known. */
  readonly judged?: Judged | undefined;
  /** Called with the posts judged so far, and all. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Validation posts that are enough to measure densities on where training posts can be cross-fitted instead, */
const ENOUGH_POSTS = 100;
/** and where they cannot: what was trained on them is part of how their features are made. */
const ENOUGH_UNSEEN_POSTS = 10;

/** What decides on which posts densities are measured. */
export interface CalibrationCase {
  /** Posts of each split. */
  readonly train: number;
  readonly val: number;
  /** Whether the method says how dense the training posts lie around a post. */
  readonly hasDensities: boolean;
  /** Whether the memory can be fitted to some of the posts alone ({@link OpenedRun.refitted}). */
  readonly isRefitted: boolean;
  /** Whether no encoder was trained on the posts. */
  readonly isFrozen: boolean;
}

function basisOf({ val, hasDensities, isRefitted, isFrozen }: CalibrationCase): QualityBasis | null {
  if (!hasDensities) return null;
  if (val >= (isRefitted && isFrozen ? ENOUGH_POSTS : ENOUGH_UNSEEN_POSTS)) return 'validation';
  return isRefitted ? 'training-cross-fitted' : 'training';
}

/** How many posts calibration judges; those that are cross-fitted count twice, since they are observed before. */
export function postsCalibrationJudges(known: CalibrationCase): number {
  const { train, val } = known;
  const basis = basisOf(known);
  if (basis === 'training') return val + train;
  return basis === 'training-cross-fitted' ? val + 2 * crossFittedPosts(train) : val;
}

/** Log densities, and whether each post has the modality. */
interface Densities {
  readonly quality: Quality;
  readonly available: Readonly<Record<Modality, Float32Array>>;
  readonly measuredOn: QualityBasis;
}

/**
 * Measures what single posts will be compared with: a temperature on the validation posts, and densities of posts that
 * the model's distributions were not fitted to, since those lie closer to them than any new post will. These are the
 * validation posts, where there are {@link ENOUGH_POSTS}; else the training posts by cross-fitting. Where encoders or
 * projections were trained on the posts whose densities are measured, cross-fitting cannot undo that, and
 * {@link ENOUGH_UNSEEN_POSTS} validation posts are preferred.
 * @throws the signal's reason when aborted
 */
export async function measureCalibration(sources: CalibrationSources): Promise<Calibration> {
  const { engine, run, train, val, signal } = sources;
  const onProgress = sources.onProgress ?? (() => undefined);
  const valPosts = val?.ids.length ?? 0;
  const judge = Judge.create(engine, run);
  try {
    const known = await judge.judge(selectPosts(train, [0]), () => undefined, signal); // spares other methods the rest
    const basis = basisOf({
      ...{ train: train.ids.length, val: valPosts, hasDensities: known.quality !== null },
      ...{ isRefitted: run.refitted !== undefined, isFrozen: isFeatureSet(train) },
    });
    const total = valPosts + (basis === null || basis === 'validation' ? 0 : train.ids.length);
    const judgeVal = (): Promise<Judged> => judge.judge(val as PostSet, (done) => onProgress(done, total), signal);
    const judged = valPosts === 0 ? null : (sources.judged ?? (await judgeVal()));
    const rest = (done: number): void => onProgress(valPosts + done, total);
    const densities = basis === null ? null : await densitiesOf(sources, basis, judge, judged, rest);
    return {
      format: CALIBRATION_FORMAT,
      checkpoint: basename(run.checkpoint),
      temperature: judged === null ? null : temperatureOn(judged, run, val as PostSet),
      quality: densities === null ? null : distributionsOf(densities),
    };
  } finally {
    await judge.dispose();
  }
}

async function densitiesOf(
  { engine, run, train, val, signal }: CalibrationSources,
  measuredOn: QualityBasis,
  judge: Judge,
  judged: Judged | null,
  onProgress: (done: number) => void,
): Promise<Densities | null> {
  if (measuredOn === 'validation') {
    const quality = judged?.quality ?? null;
    return quality === null ? null : { quality, available: availableIn(val as PostSet), measuredOn };
  }
  if (measuredOn === 'training-cross-fitted') {
    const random = createRandom(run.description.config.seed).fork('cross-fit');
    const { quality, set } = await crossFittedQuality({ engine, run, judge, train, random, onProgress, signal });
    return { quality, available: availableIn(set), measuredOn };
  }
  const { quality } = await judge.judge(train, onProgress, signal);
  return quality === null ? null : { quality, available: availableIn(train), measuredOn };
}

function availableIn(set: PostSet): Densities['available'] {
  return byModality((modality) => set[modality].available);
}

function temperatureOn(
  { probabilities }: Judged,
  { description }: OpenedRun,
  val: PostSet,
): NonNullable<Calibration['temperature']> {
  const classes = description.classes.length;
  return fitTemperature(val.labels, hostTensor(probabilities, [val.ids.length, classes]), classes);
}

function distributionsOf({ quality, available, measuredOn }: Densities): QualityDistributions {
  const values = (modality: Modality): Float32Array =>
    quality[modality].filter((_, post) => available[modality][post] === 1);
  const [image, text] = MODALITIES.map(values) as [Float32Array, Float32Array];
  return {
    image: densityQuantiles(image),
    text: densityQuantiles(text),
    measuredOn,
    posts: { image: image.length, text: text.length },
  };
}

/**
 * Quantiles of log densities. A log density is −d²/2 of a distance d, which spreads over orders of magnitude: tails are
 * estimated on log(1 + d²).
 */
function densityQuantiles(logDensities: Float32Array): number[] | null {
  const quantiles = quantilesOf(Float64Array.from(logDensities, (density) => -Math.log1p(Math.max(0, -2 * density))));
  return quantiles?.map((value) => Math.min(0, Math.expm1(-value) / -2)) ?? null;
}
