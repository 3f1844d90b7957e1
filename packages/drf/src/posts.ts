import type { ColumnNames, MemoryPost } from '@drf/datasets';
import { startStage, type StageEvent } from './progress.js';

/** Files of posts: CSV, JSON Lines, Parquet. With several, each one's name is the split of its posts. */
export type Files = string | readonly string[];

/** Posts in memory, or as they come; with `columns`, objects with fields of other names. */
export type Rows<Row extends object = MemoryPost> = Iterable<Row> | AsyncIterable<Row>;

/** Where posts come from, and which of their columns or fields holds what. */
export type Data =
  | { readonly data: Files | Rows; readonly columns?: ColumnNames }
  | { readonly data: Rows<object>; readonly columns: ColumnNames };

/** Whether posts come from memory; a text is a path, and so are several. */
export function isRows(data: Files | Rows<object>): data is Rows<object> {
  if (typeof data === 'string') return false;
  return !Array.isArray(data) || data.some((each) => typeof each !== 'string') || data.length === 0;
}

/**
 * Writes rows where they are then read as a file.
 * @returns the file, and the folder that image paths are relative to where there are any
 */
export async function writeRows(
  file: string,
  rows: Rows<object>,
  { columns, root, signal }: { readonly columns?: ColumnNames; readonly root?: string; readonly signal?: AbortSignal },
  tell: (event: StageEvent) => void,
): Promise<{ readonly file: string; readonly columns?: ColumnNames; readonly root?: string }> {
  const { writeMemoryRows } = await import('@drf/datasets');
  const total = Array.isArray(rows) ? rows.length : Infinity;
  const stage = startStage(tell, 'Taking posts', 'posts');
  const { namesFiles } = await writeMemoryRows(file, rows, {
    columns,
    signal,
    onProgress: (done) => stage.update(done, total),
  });
  return { file, columns, ...(namesFiles ? { root: root ?? process.cwd() } : {}) };
}
