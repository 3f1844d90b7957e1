import { openExperimentDataset, type OpenedRun, reopenSplits } from '@drf/experiment';
import { looksCorrupted, openJudge, type Judge, type Judgment } from '@drf/judge';
import { argMax, fitTemperature, negativeLogLikelihood, wilsonInterval } from '@drf/metrics';
import { byModality, type ByModality, DrfError, MODALITIES, type Post } from '@drf/tensor';
import type { Precision } from './names.js';

/** Accuracy on the measured posts, with its 95 % interval by Wilson. */
interface Accuracy {
  readonly right: number;
  readonly share: number;
  readonly interval: readonly [low: number, high: number];
}

/** A figure of the model in float32, and of the one with smaller weights. */
interface Both<Value> {
  readonly float32: Value;
  readonly smaller: Value;
}

/** What smaller weights cost: the same posts judged by both models, each alone. */
export interface PrecisionLoss {
  readonly posts: number;
  /** Posts of the run's validation split, of which the measured ones are taken in even steps. */
  readonly of: number;
  /** Posts to which both models give the same label. */
  readonly agreeing: number;
  readonly accuracy: Both<Accuracy>;
  /** Between the calibrated probabilities of both, over posts and classes. */
  readonly probabilityDifference: { readonly mean: number; readonly largest: number };
  /** Of the calibrated probabilities, in nats. */
  readonly negativeLogLikelihood: Both<number>;
  /**
   * By which logits would have to be divided beside the calibration that there is, for these posts; 1: it fits as it is.
   * null where they are too few to tell.
   */
  readonly furtherTemperature: Both<number | null>;
  /** Largest difference of quality, a share from 0 to 1; null where quality is not known. */
  readonly qualityDifference: ByModality<number | null>;
  /** Posts that one model takes for unlike the training posts and the other does not. */
  readonly familiarityDiffers: number;
  /** Images and texts that one model takes for corrupted and the other for intact; null where that is not known. */
  readonly stateDiffers: ByModality<number | null>;
  /** Median time of a judgment, and bytes of model.onnx. */
  readonly milliseconds: Both<number>;
  readonly bytes: Both<number>;
}

/** What is measured, and how. */
export interface MeasureOptions {
  /** Most posts that are judged. */
  readonly posts: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** A run's validation posts in even steps, at most so many, and how many there are. @throws as `openDataset` */
async function validationPosts({ folder, description }: OpenedRun, most: number, signal: AbortSignal | undefined) {
  const dataset = await openExperimentDataset(description.config.dataset);
  const { val } = (await reopenSplits(dataset, folder.file('splits'))).splits;
  const count = Math.min(most, val.length);
  const posts: Post[] = [];
  for (let i = 0; i < count; i++) {
    signal?.throwIfAborted();
    const record = val[Math.floor((i * val.length) / count)];
    if (record !== undefined) posts.push(await dataset.read(record));
  }
  // a data set that was changed since may have its classes in another order
  const labels = posts.map(({ label }) => description.classes.indexOf(dataset.classes[label] as string));
  return { posts, labels, of: val.length };
}

/**
 * Judges the run's validation posts by two exports of it.
 * @param folders that hold the exports
 * @returns the loss, or why there is none to tell
 * @throws the signal's reason when aborted
 */
export async function measureLoss(
  run: OpenedRun,
  folders: Both<string>,
  bytes: Both<number>,
  { posts: most, signal, onProgress }: MeasureOptions,
): Promise<PrecisionLoss | string> {
  const found = await validationPosts(run, most, signal).catch((error: unknown) => {
    if (error instanceof DrfError) return `its validation posts cannot be read: ${error.message}`;
    throw error;
  });
  if (typeof found === 'string') return found;
  if (found.posts.length === 0) return 'the run has no validation posts';
  if (found.labels.includes(-1)) return 'its data has other classes now';
  const float32 = await openJudge(folders.float32, { warm: true });
  try {
    const smaller = await openJudge(folders.smaller, { warm: true });
    try {
      const judged = { float32: [] as Judged[], smaller: [] as Judged[] };
      for (const post of found.posts) {
        signal?.throwIfAborted();
        judged.float32.push(await timed(float32, post));
        judged.smaller.push(await timed(smaller, post));
        onProgress?.(judged.smaller.length, found.posts.length);
      }
      return { ...lossOf(judged, found.labels, float32.info.classes), of: found.of, bytes };
    } finally {
      await smaller.close();
    }
  } finally {
    await float32.close();
  }
}

interface Judged {
  readonly judgment: Judgment;
  readonly milliseconds: number;
}

async function timed(judge: Judge, { image, text }: Post): Promise<Judged> {
  const started = performance.now();
  const judgment = await judge.judge({ image, text });
  return { judgment, milliseconds: performance.now() - started };
}

function lossOf(
  judged: Both<readonly Judged[]>,
  labels: readonly number[],
  classes: readonly string[],
): Omit<PrecisionLoss, 'of' | 'bytes'> {
  const rowsOf = (list: readonly Judged[]): number[][] =>
    list.map(({ judgment }) => classes.map((name) => judgment.probabilities[name] as number));
  const rows = both((name) => rowsOf(judged[name]));
  const differences = rows.float32.flatMap((row, i) =>
    row.map((p, k) => Math.abs(p - (rows.smaller[i]?.[k] as number))),
  );
  const posts = labels.length;
  const pairs = judged.float32.map(({ judgment }, i) => [judgment, (judged.smaller[i] as Judged).judgment] as const);
  return {
    posts,
    agreeing: pairs.filter(([a, b]) => a.label === b.label).length,
    accuracy: both((name) => accuracyOf(rows[name], labels)),
    probabilityDifference: {
      mean: differences.reduce((sum, each) => sum + each, 0) / differences.length,
      largest: Math.max(...differences),
    },
    negativeLogLikelihood: both((name) => negativeLogLikelihood(labels, rows[name], classes.length)),
    furtherTemperature: both((name) => {
      const { basis, temperature } = fitTemperature(labels, rows[name], classes.length);
      return basis === 'fitted' ? temperature : null;
    }),
    qualityDifference: byModality((modality) => {
      const known = pairs.flatMap(([a, b]) => {
        const [x, y] = [a.quality[modality], b.quality[modality]];
        return x === null || y === null ? [] : [Math.abs(x - y)];
      });
      return known.length === 0 ? null : Math.max(...known);
    }),
    stateDiffers: byModality((modality) => {
      const states = pairs.map((pair) => pair.map((judgment) => looksCorrupted(judgment, modality)));
      const known = states.filter((pair) => !pair.includes(null));
      return known.length === 0 ? null : known.filter(([a, b]) => a !== b).length;
    }),
    familiarityDiffers: pairs.filter(([a, b]) => a.unfamiliar !== b.unfamiliar).length,
    milliseconds: both((name) => median(judged[name].map(({ milliseconds }) => milliseconds))),
  };
}

function both<Value>(make: (name: keyof Both<unknown>) => Value): Both<Value> {
  return { float32: make('float32'), smaller: make('smaller') };
}

function accuracyOf(rows: readonly (readonly number[])[], labels: readonly number[]): Accuracy {
  const right = rows.filter((row, i) => argMax(row) === labels[i]).length;
  const { low, high } = wilsonInterval(right, labels.length);
  return { right, share: right / labels.length, interval: [low, high] };
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] as number;
}

/** What the weights are, and what they cost; sentences for people. */
export function describeLoss(precision: Precision, loss: PrecisionLoss | string): string[] {
  const stored =
    precision === 'int8'
      ? 'Large matrices are stored as 8-bit integers with a scale for every 32 weights, smaller ones in half precision'
      : 'Matrices are stored in half precision';
  const how = `${stored}; what densities rest on stays in float32, and all is computed in float32.`;
  if (typeof loss === 'string') return [how, `What that costs was not measured: ${loss}.`];
  const { posts, of, agreeing, accuracy, probabilityDifference, negativeLogLikelihood, furtherTemperature } = loss;
  const { milliseconds, bytes, qualityDifference, familiarityDiffers, stateDiffers } = loss;
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const points = (share: number): string => (100 * share).toPrecision(2).replace(/e.*/, '');
  const sure = ({ right, share, interval: [low, high] }: Accuracy): string => `${percent(share)} (${right} right; 95 % interval ${percent(low)} to ${percent(high)})`; // prettier-ignore
  const qualities = Object.values(qualityDifference).filter((share) => share !== null);
  const states = MODALITIES.flatMap((modality) => {
    const count = stateDiffers[modality];
    return count === null ? [] : [`${count} ${modality}${count === 1 ? '' : 's'}`];
  });
  const megabytes = (size: number): string => `${(size / 1e6).toFixed(1)} MB`;
  const notes = [
    how,
    `Measured on ${posts === of ? `all ${of}` : `${posts} of ${of}`} validation posts against float32: ${agreeing} get the same label, and probabilities differ by ${points(probabilityDifference.mean)} points on average, ${points(probabilityDifference.largest)} at most.`, // prettier-ignore
    `Accuracy: ${sure(accuracy.float32)} in float32, ${sure(accuracy.smaller)} in ${precision}.`,
    `Calibration: negative log-likelihood ${negativeLogLikelihood.float32.toFixed(4)} in float32, ${negativeLogLikelihood.smaller.toFixed(4)} in ${precision}; ${temperatures(furtherTemperature)}.`, // prettier-ignore
    ...(qualities.length === 0
      ? []
      : [`Quality moves by ${points(Math.max(...qualities))} points at most; ${familiarityDiffers} ${familiarityDiffers === 1 ? 'post is' : 'posts are'} taken for unfamiliar by one model alone.`]), // prettier-ignore
    ...(states.length === 0 ? [] : [`Taken for corrupted by one model alone: ${states.join(', ')}.`]),
    `model.onnx: ${megabytes(bytes.float32)} in float32, ${megabytes(bytes.smaller)} in ${precision}; a post took ${milliseconds.float32.toFixed(1)} and ${milliseconds.smaller.toFixed(1)} ms here.`, // prettier-ignore
  ];
  return isWorse(loss) ? [...notes, warning(precision)] : notes;
}

function temperatures({ float32, smaller }: PrecisionLoss['furtherTemperature']): string {
  if (float32 === null || smaller === null) return 'whether the temperature still fits, so few posts do not tell';
  return `the temperature that would fit these posts best is ${float32.toFixed(2)} and ${smaller.toFixed(2)} times the recorded one`; // prettier-ignore
}

/** Whether accuracy fell below the interval of that in float32. */
function isWorse({ accuracy: { float32, smaller } }: PrecisionLoss): boolean {
  return smaller.share < float32.interval[0];
}

function warning(precision: Precision): string {
  return `WARNING: in ${precision} accuracy lies below the interval of that in float32. Export in float16 or float32.`;
}
