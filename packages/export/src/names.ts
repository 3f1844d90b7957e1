/** How an export's weights are stored. It computes in float32 in any case. */
export const PRECISIONS = ['float32', 'float16', 'int8'] as const;
/** One of {@link PRECISIONS}. */
export type Precision = (typeof PRECISIONS)[number];
