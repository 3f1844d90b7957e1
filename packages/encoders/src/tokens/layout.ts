import type { Modality } from '@drf/tensor';

/** How token-level outputs of any encoder are laid out for methods: always so many tokens of such a width. */
export interface TokenLayout {
  /** Tokens a content; fewer are padded, more are pooled (places of an image) or cut off (word pieces). */
  readonly count: number;
  /** Width of a token; wider ones go through a fixed random projection. */
  readonly dim: number;
}

/** 7 × 7 places of an image; 64 word pieces, which 95 of 100 of MVSA's texts do not exceed. */
export const TOKEN_LAYOUTS: Readonly<Record<Modality, TokenLayout>> = {
  image: { count: 49, dim: 256 },
  text: { count: 64, dim: 256 },
};
