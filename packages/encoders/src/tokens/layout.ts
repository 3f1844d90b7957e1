import type { Modality } from '@drf/tensor';

/** How token-level outputs of any encoder are laid out for methods: always so many tokens of such a width. */
export interface TokenLayout {
  /** Tokens a content; fewer are padded, more are pooled (places of an image) or cut off (word pieces). */
  readonly count: number;
  /** Width of a token; wider ones go through a fixed random projection. */
  readonly dim: number;
}

/**
 * 4 × 4 places of an image; 48 word pieces of a text. A transformer over both costs about half of
 * what it costs over 7 × 7 places and 64 word pieces.
 */
export const TOKEN_LAYOUTS: Readonly<Record<Modality, TokenLayout>> = {
  image: { count: 16, dim: 256 },
  text: { count: 48, dim: 256 },
};
