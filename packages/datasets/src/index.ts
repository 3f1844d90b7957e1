export { openDataset } from './open.js';
export { DATASET_NAMES, type DatasetName, type OpenOptions, type OwnDatasetName } from './options.js';
export type { DatasetDefinition, OwnPost, OwnPosts } from './own-dataset.js';
export type { ContentSource, Dataset, PostRecord } from './dataset.js';
export { ContentDataset, type ContentDatasetOptions } from './content-dataset.js';
export { FileSource, InlineText } from './source.js';
export { Ledger, type DroppedRow, type LedgerNote, type LedgerReport } from './ledger.js';
export { explainLoss, lossWarning, mainReason, UnusableDataError, type MainReason } from './main-reason.js';
export { foldLabel, relabel, type LabelOptions } from './relabel.js';
export { DROP_REASONS, RowError, type DropReason } from './row-error.js';
export {
  applyLabelRule,
  combineLabels,
  majorityLabel,
  SENTIMENTS,
  type Annotation,
  type RuledLabel,
  type Sentiment,
} from './label-rule.js';
export { EMOTIONS } from './folders/tumemo.js';
export { decodeText, TEXT_ENCODINGS, type EncodingChoice, type TextEncoding } from './text-decoder.js';
export {
  decodeImage,
  DEFAULT_IMAGE_DECODING,
  MAXIMUM_IMAGE_SIDE,
  readImageHeader,
  type ImageDecoding,
  type ImageFit,
  type ImageHeader,
} from './image-decoder.js';
export { openDrawing } from './image-loaders.js';
export { EmojiImage, type EmojiScene } from './embedded/emoji-image.js';
export { emojiSetCredit, EMOJI_SETS, type EmojiSetCredit, type EmojiSetName } from './embedded/emoji-sets.js';
export { DEFAULT_EMBEDDED_OPTIONS, type EmbeddedOptions } from './embedded/options.js';
export { streamPosts, type StreamOptions } from './stream-posts.js';
export { postHash, recordHash } from './post-hash.js';
export { countUnlabeledPosts, readUnlabeledPosts, type UnlabeledOptions } from './posts/unlabeled-posts.js';
export type { UnlabeledPost, UnlabeledResult } from './posts/unlabeled-row.js';
export { isAbsenceWord } from './posts/absence-words.js';
export { POST_COLUMNS, type ColumnNames, type PostColumn } from './posts/columns.js';
export { mapAhead } from './parallel.js';
export { makeSplits, PAPER_FRACTIONS, type SplitOptions, type Splits } from './splits/make-splits.js';
export {
  loadSplit,
  loadSplits,
  saveSplits,
  type PublishedPost,
  type SplitFile,
  type SplitOrigin,
} from './splits/split-file.js';
export { recordsOfSplit, selectSplit, type LabelDisagreement, type SelectedSplit } from './splits/select-split.js';
export {
  findDuplicates,
  type ContentDuplicates,
  type DuplicateGroup,
  type DuplicateReport,
  type HashedPost,
  type SplitOverlap,
} from './splits/duplicates.js';
export {
  inspectDataset,
  type ImageSummary,
  type InspectOptions,
  type Inspection,
  type NamedRecords,
  type TextSummary,
} from './inspect/inspect-dataset.js';
export type { ImageCheck } from './inspect/examine.js';
export type { NumberSummary } from './inspect/summary.js';
