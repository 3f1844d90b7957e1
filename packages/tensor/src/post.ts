/** The two modalities of a post. */
export const MODALITIES = ['image', 'text'] as const;
/** One of {@link MODALITIES}. */
export type Modality = (typeof MODALITIES)[number];

/** A post's three pairs of features, in this order everywhere. */
export const PAIRS = ['original', 'imageAndRecoveredText', 'recoveredImageAndText'] as const;
/** One of {@link PAIRS}. */
export type PairName = (typeof PAIRS)[number];

/** Decoded pixels, 8 bits a channel, red-green-blue, row-major: `data` has shape [height, width, 3]. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/**
 * One post x = (v, t, λᵛ, λᵗ) with its label: `null` says that the modality is missing (λ = 0).
 * `label` indexes the data set's class names.
 */
export interface Post {
  readonly id: string;
  readonly image: RgbImage | null;
  readonly text: string | null;
  readonly label: number;
}

/** The other modality. */
export function otherModality(modality: Modality): Modality {
  return modality === 'image' ? 'text' : 'image';
}

/** A value for the image and one for the text: features, availability, queues, weights. */
export type ByModality<Value> = { readonly [modality in Modality]: Value };

/** `byModality((modality) => …)`: the same for both modalities, image first. */
export function byModality<Value>(make: (modality: Modality) => Value): ByModality<Value> {
  return { image: make('image'), text: make('text') };
}
