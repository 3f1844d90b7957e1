/** The two modalities of a post. */
export const MODALITIES = ['image', 'text'] as const;
/** One of {@link MODALITIES}. */
export type Modality = (typeof MODALITIES)[number];

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
