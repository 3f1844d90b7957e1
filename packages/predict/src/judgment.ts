import type { PairName } from '@drf/fusion';
import type { Modality, RgbImage } from '@drf/tensor';

/** What is judged: an image, a text, or both. */
export interface PostContent {
  readonly image: RgbImage | null;
  readonly text: string | null;
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
   * (`QualityBasis`). null where the modality is missing, for methods without densities, and
   * for runs without a calibration.
   */
  readonly quality: Readonly<Record<Modality, number | null>>;
  /**
   * Logarithm of the relative density of the image (text) itself, in nats: the number whose place among those
   * posts `quality` is. null where quality is not known, too, but for runs without a calibration.
   */
  readonly logDensity: Readonly<Record<Modality, number | null>>;
  /** Shares of the three pairs in the verdict (Eq. 12), summing to 1; null for methods without pairs. */
  readonly pairWeights: PairWeights | null;
  /** The modality that was missing and stood for by what was recovered from the other; null: both were there. */
  readonly recovered: Modality | null;
  /** An image or a text as unusual as the most unusual 1 of 200 posts like those of training; null where quality is not known. */
  readonly unfamiliar: boolean | null;
}

/** Shares of a post's own image and text, of its image with the text recovered from it, and the other way round. */
export type PairWeights = Readonly<Record<PairName, number>>;
