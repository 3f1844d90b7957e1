import type { ColumnNames, EncodingChoice } from '@drf/datasets/names';

/** Formats of standard input and output, which have no ending that would say. */
export const STREAM_FORMATS = ['jsonl', 'csv'] as const;
/** One of {@link STREAM_FORMATS}. */
export type StreamFormat = (typeof STREAM_FORMATS)[number];

export interface MainOptions {
  readonly with?: readonly string[];
  readonly text?: string;
  readonly image?: string;
  readonly out?: string;
  readonly format?: StreamFormat;
  readonly root?: string;
  readonly 'dataset.encoding': EncodingChoice;
  readonly columns?: ColumnNames;
  readonly checkpoint?: string;
  readonly engine: string;
  readonly allowDownload?: boolean;
  readonly resume?: boolean;
  readonly overwrite?: boolean;
  readonly rawCsv?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}
