import type { DropReason } from '../row-error.js';

/** What a line of a label file says: a post's label, or that the label rule drops it. */
export type LabelLine =
  | { readonly id: string; readonly label: string }
  | { readonly id: string; readonly dropped: DropReason; readonly detail: string };

/** The published form of a data set: a file of labels and folders with `{id}.jpg` and `{id}.txt`. */
export interface FolderLayout {
  readonly name: string;
  readonly classes: readonly string[];
  readonly labelFile: string;
  readonly imageFolder: string;
  /** Candidates; the first that holds any `.txt` is taken. */
  readonly textFolders: readonly string[];
  /** Of the texts as published, for which the folder's own are looked at first. */
  readonly encoding: 'gb18030' | 'utf-8';
  isHeader(line: string): boolean;
  /** @throws RowError when the line cannot be understood */
  parseLine(subject: string, line: string): LabelLine;
}
