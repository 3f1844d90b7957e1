/**
 * How a pair's weight is made of its two densities (Eq. 10, 11):
 * - `density`: the product of the two densities of Eq. 9, to the letter;
 * - `relative`: the same over the densities' own peaks, in (0, 1];
 * - `normalized`: relative weights over their sum over the existing pairs.
 */
export const WEIGHTING_MODES = ['density', 'relative', 'normalized'] as const;
/** One of {@link WEIGHTING_MODES}. */
export type WeightingMode = (typeof WEIGHTING_MODES)[number];
