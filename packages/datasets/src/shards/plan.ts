import type { ColumnNames } from '../posts/columns.js';
import type { TableForm } from '../posts/reader.js';
import type { EncodingChoice } from '../text-decoder.js';

/** Images and texts that belong together by their names: one input, however many files. */
export interface FolderForm {
  readonly format: 'folder';
  /** Of its texts; `auto`: each by itself. */
  readonly encoding: EncodingChoice;
}

/** A file that posts are read from, as it was when it was planned. */
export interface PlannedFile {
  /** Below the plan's location; '' for a folder of images and texts, which is the location itself. */
  readonly path: string;
  readonly bytes: number;
  /** It is read at this version only. Of a folder: a hash of its files' paths and versions. */
  readonly version: string;
  /** Found once, so that every shard reads alike. */
  readonly form: TableForm | FolderForm;
  /** `null`: not counted, since it would have to be read whole (a tar). */
  readonly rows: number | null;
}

/** Consecutive rows of a file. */
export interface ShardPart {
  /** Index into {@link ShardPlan.files}. */
  readonly file: number;
  /** Rows of the file before them. */
  readonly row: number;
  /** `null`: all that follow. */
  readonly rows: number | null;
  /** Where the first of them begins, if it can be read from there: bytes and lines of the file before it. */
  readonly byte?: number;
  readonly line?: number;
}

/** What is read at a time: rows of a file, or several small files. */
export interface Shard {
  /** `null`: not known before they are read. */
  readonly rows: number | null;
  readonly parts: readonly ShardPart[];
}

/** What there is to read, and how it is cut. JSON; the same for the same inputs. */
export interface ShardPlan {
  /** The folder (absolute) or prefix (`s3://bucket/prefix`) that paths are below; `openStorage` opens it. */
  readonly location: string;
  /** In the order of their paths, by code unit. */
  readonly files: readonly PlannedFile[];
  readonly shards: readonly Shard[];
  /** `null` where a file's are not known. */
  readonly rows: number | null;
  /** Which column holds what, as it was named. */
  readonly columns: ColumnNames;
  /** Files that are no input, and folders with all that is in them. */
  readonly except: readonly string[];
  /** What a person should know: what is not read, and how files are read that are not as their names say. */
  readonly notes: readonly string[];
}
