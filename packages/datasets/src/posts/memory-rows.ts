import { writeFileAtomic } from '@drf/files';
import { encodePng } from '@drf/preprocessing';
import { untilAborted, type RgbImage } from '@drf/tensor';
import { findColumns, type ColumnNames } from './columns.js';

/** A post with its label, in memory. What is left out is missing. */
export interface MemoryPost {
  /** Each once. Left out of all rows: they are numbered from 1. */
  readonly id?: string | number | bigint;
  readonly text?: string | null;
  /** An image file's path, its bytes (JPEG, PNG, WebP, …), or decoded pixels. */
  readonly image?: string | Uint8Array | Blob | RgbImage | null;
  /** Name of its class. */
  readonly label: string | number | bigint | boolean;
  /** "train", "val" or "test", for all rows or for none. Left out: splits are drawn. */
  readonly split?: string | null;
}

/** How {@link writeMemoryRows} reads the rows. */
interface MemoryRowsOptions {
  /** Which field holds what, where common names do not tell. */
  readonly columns?: ColumnNames;
  /** Told how many rows are written. */
  readonly onProgress?: (rows: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Writes rows that are in memory as JSON Lines, a line each, which `openDataset` then reads like any file of posts: the
 * same rows give the same data set from memory as from a file. Images that are no paths come along in base64. A row that
 * cannot be used is written as far as it goes, so that the ledger lists it with its reason.
 * @param path of the file, which ends in `.jsonl`
 * @returns how many rows there are, and whether any of them names its image by a path
 * @throws DataError where the file cannot be written; the signal's reason when it aborts; whatever the rows' iterable throws
 */
export async function writeMemoryRows(
  path: string,
  rows: Iterable<object> | AsyncIterable<object>,
  { columns = {}, onProgress, signal }: MemoryRowsOptions = {},
): Promise<{ readonly rows: number; readonly namesFiles: boolean }> {
  let [count, namesFiles] = [0, false];
  let failure: { readonly error: unknown } | undefined;
  async function* lines(): AsyncGenerator<Buffer> {
    try {
      for await (const row of signal === undefined ? rows : untilAborted(rows, signal)) {
        const { line, namesFile } = await rowLine(row, columns);
        namesFiles ||= namesFile;
        yield Buffer.from(`${line}\n`);
        count++;
        onProgress?.(count);
      }
    } catch (error) {
      failure = { error }; // of the rows, not of the disk
      throw error;
    }
  }
  try {
    await writeFileAtomic(path, lines());
  } catch (error) {
    throw failure === undefined ? error : failure.error;
  }
  return { rows: count, namesFiles };
}

/** A row under its own names. Fields that mean nothing here are named, so that the ledger can say so, without their values. */
async function rowLine(row: unknown, columns: ColumnNames): Promise<{ line: string; namesFile: boolean }> {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) {
    return { line: JSON.stringify(Array.isArray(row) ? 'an array' : String(row)), namesFile: false };
  }
  const fields = Object.entries(row);
  const { holds } = findColumns(fields.map(([name]) => name), columns); // prettier-ignore
  const cells: Record<string, unknown> = {};
  let namesFile = false;
  for (const [name, value] of fields) {
    const role = holds.get(name);
    if (role === 'image') namesFile = typeof value === 'string';
    cells[name] = role === undefined ? null : role === 'image' ? await imageOf(value) : plain(value);
  }
  return { line: JSON.stringify(cells), namesFile };
}

/** A path as it is, and an image's own bytes as tables hold them. Anything else is the reader's to refuse. */
async function imageOf(value: unknown): Promise<unknown> {
  if (value instanceof Uint8Array) return inBase64(value);
  if (value instanceof Blob) return inBase64(new Uint8Array(await value.arrayBuffer()));
  if (!isPixels(value)) return plain(value);
  const { width, height, data } = value;
  if (data.length !== width * height * 3 || data.length === 0) return { width, height, data: data.length };
  return inBase64(await encodePng(value));
}

function inBase64({ buffer, byteOffset, byteLength }: Uint8Array): object {
  return { bytes: Buffer.from(buffer, byteOffset, byteLength).toString('base64') };
}

function isPixels(value: unknown): value is RgbImage {
  const { width, height, data } = (value ?? {}) as Partial<RgbImage>;
  return Number.isSafeInteger(width) && Number.isSafeInteger(height) && data instanceof Uint8Array;
}

/** What JSON can say of a value. */
function plain(value: unknown): unknown {
  if (typeof value !== 'object') return typeof value === 'bigint' ? String(value) : value;
  try {
    return JSON.stringify(value) === undefined ? null : value;
  } catch {
    return {}; // a ring
  }
}
