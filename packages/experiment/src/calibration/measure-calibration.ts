import { basename } from 'node:path';
import { fitTemperature, quantilesOf } from '@drf/metrics';
import { hostTensor, type Engine, type Modality } from '@drf/tensor';
import { selectPosts, type PostSet } from '../feature-set.js';
import { Judge } from '../judge/judge.js';
import type { Quality } from '../judge/quality.js';
import type { OpenedRun } from '../open-run.js';
import { CALIBRATION_FORMAT, type Calibration } from './calibration.js';

/** The run to calibrate, and the posts to do it by. */
export interface CalibrationSources {
  readonly engine: Engine;
  /** The run's result. */
  readonly run: OpenedRun;
  readonly train: PostSet;
  /** Left out or empty: no temperature. */
  readonly val?: PostSet;
  /** Called with the posts judged so far, and all. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Measures what single posts will be compared with: a temperature on the validation posts, and the densities of the
 * training posts.
 * @throws the signal's reason when aborted
 */
export async function measureCalibration(sources: CalibrationSources): Promise<Calibration> {
  const { engine, run, train, val, signal } = sources;
  const total = train.ids.length + (val?.ids.length ?? 0);
  const onProgress = sources.onProgress ?? (() => undefined);
  const judge = await Judge.create(engine, run);
  try {
    const known = await judge.judge(selectPosts(train, [0]), () => undefined, signal); // spares other methods the rest
    const quality =
      known.quality === null ? null : (await judge.judge(train, (done) => onProgress(done, total), signal)).quality;
    const progress = (done: number): void => onProgress(train.ids.length + done, total);
    return {
      format: CALIBRATION_FORMAT,
      checkpoint: basename(run.checkpoint),
      temperature: val === undefined || val.ids.length === 0 ? null : await temperatureOn(judge, run, val, progress),
      quality: quality === null ? null : distributionsOf(quality, train),
    };
  } finally {
    await judge.dispose();
  }
}

async function temperatureOn(
  judge: Judge,
  { description }: OpenedRun,
  val: PostSet,
  onProgress: (done: number) => void,
): Promise<Calibration['temperature']> {
  const classes = description.classes.length;
  const { probabilities } = await judge.judge(val, onProgress);
  const fit = fitTemperature(val.labels, hostTensor(probabilities, [val.ids.length, classes]), classes);
  return { ...fit, posts: val.ids.length };
}

function distributionsOf(quality: Quality, train: PostSet): Calibration['quality'] {
  const of = (modality: Modality, available: Float32Array): number[] | null =>
    quantilesOf(quality[modality].filter((_, post) => available[post] === 1));
  return { image: of('image', train.imageAvailable), text: of('text', train.textAvailable) };
}
