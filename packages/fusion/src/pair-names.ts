/** A post's three pairs, in this order everywhere. */
export const PAIRS = ['original', 'imageAndRecoveredText', 'recoveredImageAndText'] as const;
/** One of {@link PAIRS}. */
export type PairName = (typeof PAIRS)[number];
