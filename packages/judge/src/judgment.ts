import { applyTemperature, argMax, shareBelow } from '@drf/metrics';
import {
  byModality,
  DataError,
  MODALITIES,
  refuser,
  type Modality,
  type RgbImage,
  PAIRS,
  type PairName,
} from '@drf/tensor';
import type { Calibration } from './calibration.js';

/** A post as models read it: its image decoded; null for what is missing. */
export interface PostContent {
  readonly image: RgbImage | null;
  readonly text: string | null;
}

/**
 * An image as it may be given: the path of a file, bytes of one, also as a Blob or a stream (`response.body`,
 * `createReadStream`), or pixels that are decoded already.
 */
export type ImageInput = string | Uint8Array | Blob | AsyncIterable<Uint8Array> | RgbImage;

/** A post as it may be given: an image, a text, or both. What is left out or null is missing. */
export interface PostInput {
  readonly image?: ImageInput | null;
  readonly text?: string | null;
}

/** What the model says of a post. */
export interface Judgment {
  /** The most probable class. */
  readonly label: string;
  /** By class, summing to 1; at the run's temperature, which is 1 where its validation posts were too few to fit one. */
  readonly probabilities: Readonly<Record<string, number>>;
  /**
   * Share of posts like those of training whose image (text) lies farther from what is usual than this one's: near 0, it
   * looks like none of them; 0.5, like the average. They are posts that the model's distributions were not fitted to
   * (`QualityBasis`). null where the modality is missing, for methods without densities, and for runs without a
   * calibration. Of an ensemble, the mean.
   */
  readonly quality: Readonly<Record<Modality, number | null>>;
  /**
   * Logarithm of the relative density of the image (text) itself, in nats: the number whose place among those
   * posts `quality` is. null where quality is not known, too, but for runs without a calibration; and for ensembles, whose
   * densities have no scale in common.
   */
  readonly logDensity: Readonly<Record<Modality, number | null>>;
  /**
   * Probability that the image (text) is intact rather than corrupted as training simulates it, both taken for equally
   * likely beforehand. null where the modality is missing, for methods without discriminants, and where training saw
   * nothing that was corrupted. Of an ensemble, the mean over the members that know it.
   */
  readonly intact: Readonly<Record<Modality, number | null>>;
  /** Shares of the three pairs in the verdict (Eq. 12), summing to 1; null for methods without pairs. */
  readonly pairWeights: PairWeights | null;
  /** The modality that was missing and stood for by what was recovered from the other; null: both were there. */
  readonly recovered: Modality | null;
  /** An image or a text as unusual as the most unusual 1 of 200 posts like those of training; null where quality is not known. */
  readonly unfamiliar: boolean | null;
}

/** Shares of a post's own image and text, of its image with the text recovered from it, and the other way round. */
type PairWeights = Readonly<Record<PairName, number>>;

/** A folder that judgments come from. */
interface JudgeSource {
  readonly kind: 'run' | 'export';
  /** Absolute path. */
  readonly folder: string;
  /** Name of the checkpoint's file. */
  readonly checkpoint: string;
  /** SHA-256 of the file of its weights, in hexadecimal. */
  readonly sha256: string;
}

/** What a judge says of itself. Where the members of an ensemble differ, theirs are joined by ` + `. */
export interface JudgeInfo {
  /** Name of the run. */
  readonly name: string;
  /** Where it comes from: one folder, or those of an ensemble's members. */
  readonly sources: readonly JudgeSource[];
  /** Class names in the order of training. */
  readonly classes: readonly string[];
  /** Name of the method (`drf`). */
  readonly method: string;
  /** Ids of the encoders, as the run knows them. */
  readonly encoders: Readonly<Record<Modality, string>>;
  /** Side in pixels at which images were decoded for training; give images of this size. */
  readonly imageSize: number;
  /** What the text encoder reads in place of a corrupted word; null where that is not known. */
  readonly maskToken: string | null;
  /** Name of the engine that computes. */
  readonly engine: string;
  /**
   * How many calls under way are judged fastest: a part of them goes through its encoders together, while the next part is
   * prepared. Left out: 1, more gain nothing.
   */
  readonly preferredBatch?: number;
  /** null for runs without one: probabilities then are the model's own, and quality is not known; and for ensembles. */
  readonly calibration: Calibration | null;
  /** What the figures rest on, one sentence each, for people. */
  readonly notes: readonly string[];
}

/**
 * What judges posts: a trained run, what was exported of one, or several of these as an ensemble.
 *
 * ```ts
 * const judge = await openJudge('runs/quickstart');
 * const { label } = await judge.judge({ text: 'What a day!', image: 'cat.jpg' });
 * const { recovered } = await judge.judge({ text: 'What a day!' }); // 'image'
 * await judge.close();
 * ```
 */
export interface Judge {
  readonly info: JudgeInfo;
  /**
   * Judges a post: a verdict is the same, to the last bit, whatever else is judged meanwhile, so calls may overlap. There
   * is no line here: who has many callers puts them in one, as `@drf/service` does.
   * @throws DataError when image and text are both missing, when the image cannot be read or decoded, or when the encoder
   *   or the head that it names gives NaN or infinity for the post
   */
  judge(post: PostInput): Promise<Judgment>;
  /** Frees what it holds, once all calls are answered; it cannot be used afterwards. */
  close(): Promise<void>;
}

/** Outputs of the model for one post, as numbers. */
export interface RawVerdict {
  /** [classes] */
  readonly probabilities: ArrayLike<number>;
  /** Log relative density of the image and the text; null for methods that have none. */
  readonly logDensity: Readonly<Record<Modality, number>> | null;
  /** Probability that the image and the text are intact rather than corrupted; null where that is not known. */
  readonly intact: Readonly<Record<Modality, number | null>>;
  /** Shape [pair]: all three, or the filled original pair alone; null for methods without pairs. */
  readonly pairWeights: ArrayLike<number> | null;
}

/** Below this share of the training posts, a modality counts as unlike them. */
const UNFAMILIAR_SHARE = 1 / 200;

/**
 * Turns numbers into what a person can use.
 * @throws DataError naming the head when one of its outputs is NaN or infinite: there is no verdict in them
 */
export function describeVerdict(
  raw: RawVerdict,
  { image, text }: PostContent,
  classes: readonly string[],
  calibration: Calibration | null,
): Judgment {
  assertOutputs(raw);
  const probabilities = applyTemperature(raw.probabilities, calibration?.temperature?.temperature ?? 1);
  const present: Readonly<Record<Modality, boolean>> = { image: image !== null, text: text !== null };
  const quality = { image: qualityOf('image'), text: qualityOf('text') };
  const pairWeights = raw.pairWeights === null ? null : sharesOf(raw.pairWeights);
  const missing = MODALITIES.find((modality) => !present[modality]) ?? null;
  return {
    ...ranked(classes, probabilities),
    quality,
    logDensity: { image: densityOf('image'), text: densityOf('text') },
    intact: byModality((modality) => (present[modality] ? raw.intact[modality] : null)),
    pairWeights,
    recovered: pairWeights === null ? null : missing,
    unfamiliar: isUnfamiliar(quality),
  };

  function densityOf(modality: Modality): number | null {
    return raw.logDensity === null || !present[modality] ? null : raw.logDensity[modality];
  }

  function qualityOf(modality: Modality): number | null {
    const quantiles = calibration?.quality?.[modality] ?? null;
    const density = densityOf(modality);
    return quantiles === null || density === null ? null : shareBelow(quantiles, density);
  }
}

/**
 * The verdict of an ensemble: the mean of its members' calibrated probabilities (Lakshminarayanan, Pritzel, Blundell,
 * "Simple and scalable predictive uncertainty estimation using deep ensembles", NeurIPS 2017). Quality, probabilities of
 * being intact, and shares of pairs are means over those members that know them.
 * @param judgments of one post, by judges of the same classes
 */
export function combineJudgments(judgments: readonly Judgment[], classes: readonly string[]): Judgment {
  const mean = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0) / numbers.length;
  const probabilities = classes.map((name) => mean(judgments.map((each) => each.probabilities[name] as number)));
  const meanOf = (part: 'quality' | 'intact'): Judgment['quality'] =>
    byModality((modality) => {
      const known = judgments.map((each) => each[part][modality]).filter((share) => share !== null);
      return known.length === 0 ? null : mean(known);
    });
  const quality = meanOf('quality');
  const weights = judgments.map(({ pairWeights }) => pairWeights).filter((shares) => shares !== null);
  return {
    ...ranked(classes, probabilities),
    quality,
    logDensity: { image: null, text: null },
    intact: meanOf('intact'),
    pairWeights:
      weights.length === 0 ? null : byPair((pair) => mean(weights.map((shares) => shares[PAIRS[pair] as PairName]))),
    recovered: judgments.find(({ recovered }) => recovered !== null)?.recovered ?? null,
    unfamiliar: isUnfamiliar(quality),
  };
}

/** Below this probability of being intact, an image or a text looks corrupted. */
const LEAST_INTACT = 0.5;

/** Whether a post's image (text) looks corrupted rather than intact; null where that is not known. */
export function looksCorrupted({ intact }: Pick<Judgment, 'intact'>, modality: Modality): boolean | null {
  const probability = intact[modality];
  return probability === null ? null : probability < LEAST_INTACT;
}

/**
 * What is known of a post's image and text, as a sentence; empty where nothing is.
 * @param percent writes a share of 1 as a percentage
 */
export function describeState(judgment: Pick<Judgment, 'intact'>, percent: (share: number) => string): string {
  const parts = MODALITIES.flatMap((modality) => {
    const probability = judgment.intact[modality];
    if (probability === null) return [];
    return looksCorrupted(judgment, modality) === true
      ? [`the ${modality} looks corrupted (probability ${percent(1 - probability)})`]
      : [`the ${modality} looks intact (probability ${percent(probability)})`];
  });
  const words = parts.join(', ');
  return words === '' ? '' : `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
}

function ranked(
  classes: readonly string[],
  probabilities: ArrayLike<number>,
): Pick<Judgment, 'label' | 'probabilities'> {
  return {
    label: classes[argMax(probabilities)] as string,
    probabilities: Object.fromEntries(classes.map((name, i) => [name, probabilities[i] as number])),
  };
}

function isUnfamiliar(quality: Judgment['quality']): boolean | null {
  const known = MODALITIES.map((modality) => quality[modality]).filter((share) => share !== null);
  return known.length === 0 ? null : known.some((share) => share < UNFAMILIAR_SHARE);
}

function byPair(share: (pair: number) => number): PairWeights {
  return Object.fromEntries(PAIRS.map((name, pair) => [name, share(pair)])) as Record<PairName, number>;
}

function assertOutputs({ probabilities, logDensity, intact, pairWeights }: RawVerdict): void {
  assertNumbers('The model’s head, probabilities,', probabilities);
  if (pairWeights !== null) assertNumbers('The model’s head, weights of the pairs,', pairWeights);
  if (logDensity !== null) assertNumbers('The model’s head, log densities,', [logDensity.image, logDensity.text]);
  const known = MODALITIES.map((modality) => intact[modality]).filter((probability) => probability !== null);
  assertNumbers('The model’s head, probabilities of being intact,', known);
}

/**
 * @param subject what gave the values
 * @throws DataError when one is NaN or infinite
 */
export function assertNumbers(subject: string, values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) continue;
    const remedy =
      'the parameters may hold NaN, or overflow on this post, as half-precision checkpoints do; use others';
    throw refuser(DataError, subject)('finite numbers', `${values[i]} at place ${i}`, remedy);
  }
}

/** Literal densities do not sum to 1, and can all be 0 where nothing is near; then no pair counts more than another. */
function sharesOf(weights: ArrayLike<number>): PairWeights {
  const list = Array.from(weights);
  const sum = list.reduce((a, b) => a + b, 0);
  return byPair((pair) => {
    if (pair >= list.length) return 0;
    return sum > 0 ? (list[pair] as number) / sum : 1 / list.length;
  });
}
