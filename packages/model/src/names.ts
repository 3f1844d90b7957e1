/** What may be done to features in the shared space: nothing, or a scale to Euclidean norm 1. */
export const FEATURE_NORMS = ['none', 'unit'] as const;
/** One of {@link FEATURE_NORMS}. */
export type FeatureNorm = (typeof FEATURE_NORMS)[number];
