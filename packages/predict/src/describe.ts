import type { Calibration } from '@drf/experiment';
import { PAIRS, type PairName } from '@drf/fusion';
import { applyTemperature, argMax, shareBelow } from '@drf/metrics';
import { DataError, MODALITIES, type Modality } from '@drf/tensor';
import type { Judgment, PairWeights, PostContent } from './judgment.js';

/** Outputs of the model for one post, as numbers. */
export interface RawVerdict {
  /** [classes] */
  readonly probabilities: ArrayLike<number>;
  /** Log relative density of the image and the text; null for methods that have none. */
  readonly logDensity: Readonly<Record<Modality, number>> | null;
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
  const known = MODALITIES.map((modality) => quality[modality]).filter((share) => share !== null);
  const pairWeights = raw.pairWeights === null ? null : sharesOf(raw.pairWeights);
  const missing = MODALITIES.find((modality) => !present[modality]) ?? null;
  return {
    label: classes[argMax(probabilities)] as string,
    probabilities: Object.fromEntries(classes.map((name, i) => [name, probabilities[i] as number])),
    quality,
    logDensity: { image: densityOf('image'), text: densityOf('text') },
    pairWeights,
    recovered: pairWeights === null ? null : missing,
    unfamiliar: known.length === 0 ? null : known.some((share) => share < UNFAMILIAR_SHARE),
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

function assertOutputs({ probabilities, logDensity, pairWeights }: RawVerdict): void {
  assertNumbers('The model’s head, probabilities,', probabilities);
  if (pairWeights !== null) assertNumbers('The model’s head, weights of the pairs,', pairWeights);
  if (logDensity !== null) assertNumbers('The model’s head, log densities,', [logDensity.image, logDensity.text]);
}

/**
 * @param subject what gave the values
 * @throws DataError when one is NaN or infinite
 */
export function assertNumbers(subject: string, values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) continue;
    throw new DataError({
      subject,
      expected: 'finite numbers',
      received: `${values[i]} at place ${i}`,
      remedy: 'the parameters may hold NaN, or overflow on this post, as half-precision checkpoints do; use others',
    });
  }
}

/** Literal densities do not sum to 1, and can all be 0 where nothing is near; then no pair counts more than another. */
function sharesOf(weights: ArrayLike<number>): PairWeights {
  const list = Array.from(weights);
  const sum = list.reduce((a, b) => a + b, 0);
  const share = (pair: number): number => {
    if (pair >= list.length) return 0;
    return sum > 0 ? (list[pair] as number) / sum : 1 / list.length;
  };
  return Object.fromEntries(PAIRS.map((name, pair) => [name, share(pair)])) as Record<PairName, number>;
}
