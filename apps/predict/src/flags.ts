import type { ColumnNames, EncodingChoice } from '@drf/datasets/names';
import type { RunnerFlags } from '@drf/units/options';

/** Formats of the output: by the ending of a file's name, of the parts in a folder by `--format`. */
export const OUTPUT_FORMATS = ['jsonl', 'csv', 'parquet'] as const;
/** One of {@link OUTPUT_FORMATS}. */
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** Formats of standard input and output, which have no ending that would say. */
export const STREAM_FORMATS = ['jsonl', 'csv'] as const;
/** One of {@link STREAM_FORMATS}. */
export type StreamFormat = (typeof STREAM_FORMATS)[number];

export interface MainOptions extends RunnerFlags {
  readonly with?: readonly string[];
  readonly text?: string;
  readonly image?: string;
  /** true: as text; else the file of a page. */
  readonly explain?: true | string;
  readonly explainLabel?: string;
  readonly explainGrid?: number;
  readonly out?: string;
  readonly format?: OutputFormat;
  readonly root?: string;
  readonly 'dataset.encoding': EncodingChoice;
  readonly columns?: ColumnNames;
  readonly checkpoint?: string;
  readonly engine: string;
  readonly allowDownload?: boolean;
  /** Processes, or units of work, at a time. */
  readonly jobs?: number;
  readonly shardPosts?: number;
  readonly resume?: boolean;
  readonly overwrite?: boolean;
  readonly rawCsv?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}
