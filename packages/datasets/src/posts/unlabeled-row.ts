import type { RgbImage } from '@drf/tensor';
import type { RowError } from '../row-error.js';
import type { RowContent } from './row-content.js';

/** A post whose label is not known, read and decoded; at least one of text and image is there. */
export interface UnlabeledPost {
  readonly text: string | null;
  readonly image: RgbImage | null;
}

/** A row of the input, in its order: a post, or why there is none. */
export type UnlabeledResult = {
  /** 1-based place in the input. */
  readonly row: number;
  /** The row's own id; without one, its place ("posts.csv, line 7"), or the name of the files in a folder. */
  readonly id: string;
} & (
  | {
      readonly post: UnlabeledPost;
      /** Where the row stands in its file: a line, or a row where there are no lines; null in a folder. */
      readonly line: number | null;
      /** All that a table says of the row, by its own names; of a folder's post, its files. */
      readonly own: Readonly<Record<string, unknown>>;
      /** As `postHash`. */
      readonly hash: string;
    }
  | { readonly error: RowError }
);

/** A row before its content is read. */
export interface LocatedRow {
  readonly row: number;
  readonly id: string;
  /** For errors. */
  readonly place: string;
  readonly line: number | null;
  readonly own: Readonly<Record<string, unknown>>;
  /** @throws RowError when text or image cannot be had */
  readonly content: () => Promise<RowContent>;
}
