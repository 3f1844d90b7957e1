export { openDataset } from './open.js';
export {
  DATASET_NAMES,
  type DatasetName,
  type EmbeddedOptions,
  type OpenOptions,
  type OwnDatasetName,
} from './options.js';
export type { DatasetDefinition, OwnPost, OwnPosts } from './own-dataset.js';
export { FileSource, InlineText, postHash, type ContentSource, type Dataset, type PostRecord } from './dataset.js';
export { ContentDataset, type ContentDatasetOptions } from './content-dataset.js';
export { Ledger, RowError, type DroppedRow, type DropReason, type LedgerNote, type LedgerReport } from './ledger.js';
export {
  explainLoss,
  lossWarning,
  mainReason,
  UnusableDataError,
  whatIsWrong,
  type MainReason,
} from './main-reason.js';
export { foldLabel, type LabelOptions } from './relabel.js';
export {
  applyLabelRule,
  combineLabels,
  majorityLabel,
  type Annotation,
  type RuledLabel,
  type Sentiment,
} from './label-rule.js';
export { decodeText, TEXT_ENCODINGS, type EncodingChoice, type TextEncoding } from './text-decoder.js';
export { EmojiImage, type EmojiScene } from './embedded/emoji-image.js';
export { emojiSetCredit, type EmojiSetCredit, type EmojiSetName } from './embedded/emoji-sets.js';
export { streamPosts, type StreamOptions } from './stream-posts.js';
export type { TableStream } from './posts/reader.js';
export { countUnlabeledPosts, readUnlabeledPosts, type UnlabeledOptions } from './posts/unlabeled-posts.js';
export type { UnlabeledPost, UnlabeledResult } from './posts/unlabeled-row.js';
export type { FolderForm, PlannedFile, Shard, ShardPart, ShardPlan } from './shards/plan.js';
export { planShards, type PlanOptions, type PlanProgress } from './shards/plan-shards.js';
export { readShard, type ShardOptions, type ShardResult } from './shards/read-shard.js';
export type { TableForm, TableFormat } from './posts/reader.js';
export { isAbsenceWord } from './posts/row.js';
export { writeMemoryRows, type MemoryPost } from './posts/memory-rows.js';
export { POST_COLUMNS, type ColumnNames, type PostColumn } from './posts/columns.js';
export { makeSplits, PAPER_FRACTIONS, type SplitOptions, type Splits } from './splits/make-splits.js';
export { loadSplit, loadSplits, saveSplits, type SplitFile, type SplitOrigin } from './splits/split-file.js';
export type { PublishedPost } from './splits/published-split.js';
export { readSeenPosts, SPLIT_NAMES, writeSeenPosts, type SeenPosts, type SplitName } from './splits/seen-posts.js';
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
  type ImageCheck,
  type ImageSummary,
  type Inspection,
  type InspectOptions,
  type NamedRecords,
  type NumberSummary,
  type TextSummary,
} from './inspect/inspect-dataset.js';
