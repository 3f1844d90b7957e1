export { POST_COLUMNS, type ColumnNames, type PostColumn } from './posts/columns.js';
export { SPLIT_NAMES, type SplitName } from './splits/seen-posts.js';
export { TEXT_ENCODINGS, type EncodingChoice, type TextEncoding } from './text-decoder.js';

/** What `openDataset` can open. */
export const DATASET_NAMES = ['mvsa-single', 'mvsa-multiple', 'tumemo', 'embedded', 'posts'] as const;
/** One of {@link DATASET_NAMES}. */
export type DatasetName = (typeof DATASET_NAMES)[number];
