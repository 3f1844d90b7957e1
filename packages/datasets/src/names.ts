export { POST_COLUMNS, type ColumnNames } from './posts/columns.js';
export { TEXT_ENCODINGS, type EncodingChoice } from './text-decoder.js';

/** What `openDataset` can open. */
export const DATASET_NAMES = ['mvsa-single', 'mvsa-multiple', 'tumemo', 'embedded', 'posts'] as const;
/** One of {@link DATASET_NAMES}. */
export type DatasetName = (typeof DATASET_NAMES)[number];

/** Training, validation and test posts. */
export const SPLIT_NAMES = ['train', 'val', 'test'] as const;
/** One of {@link SPLIT_NAMES}. */
export type SplitName = (typeof SPLIT_NAMES)[number];
