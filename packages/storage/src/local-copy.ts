import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { contentHash, type Storage, type StoredEntry, type StoredFile } from '@drf/files';
import { DataError, refuser } from '@drf/tensor';
import { isLocalLocation } from './location.js';
import { openStorage } from './open-storage.js';

/** How a copy is made. Sizes in bytes. */
export interface LocalCopyOptions {
  /** The folder of caches; copies lie in `copies` there. */
  readonly cache: string;
  /** Largest sum of all files; default 64 GiB. */
  readonly maximumBytes?: number;
  readonly signal?: AbortSignal;
  onProgress?(done: number, total: number): void;
}

const MAXIMUM_BYTES = 64 * 1024 ** 3;
const MOST_FILES = 100_000;
const FILES_AT_ONCE = 8;
const TEMPORARY = /^\.[0-9a-f-]{36}\.temporary$/;
/** Whose download goes on touches it more often than that. */
const FORGOTTEN_MS = 24 * 3600 * 1000;

/**
 * A folder with what a location holds: a local folder itself, or a copy of a prefix in object storage, made whole or not at
 * all, and again only when something in it has changed. The copy is shared: write nothing into it.
 *
 * ```ts
 * const run = await localCopy('s3://bucket/runs/one', { cache: cacheFolder() });
 * ```
 * @throws DataError for a prefix with nothing in it, more than it may hold, or keys that are no paths; the signal's reason
 *   when it aborts
 */
export async function localCopy(location: string, options: LocalCopyOptions): Promise<string> {
  if (isLocalLocation(location)) return resolve(location);
  const storage = await openStorage(location);
  const entries = await entriesOf(storage, options);
  const identity = entries.map(({ path, bytes, version }) => `${path}\0${bytes}\0${version}\n`).join('');
  const copies = join(resolve(options.cache), 'copies');
  const place = join(copies, contentHash(storage.location, identity));
  const copy = join(place, basename(storage.location)); // the name is how reports call it
  if (await isFolder(copy)) return copy;

  await removeForgotten(copies);
  const temporary = join(copies, `.${randomUUID()}.temporary`);
  try {
    const onProgress = (done: number, total: number): void => {
      options.onProgress?.(done, total);
      void utimes(temporary, new Date(), new Date()).catch(() => undefined); // it is not forgotten
    };
    await download(storage, entries, join(temporary, basename(copy)), { ...options, onProgress });
    await rename(temporary, place).catch(async (error: unknown) => {
      if (!(await isFolder(copy))) throw error; // else another process was faster, with the same
    });
    return copy;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/**
 * Copies what a storage holds into a folder that need not exist.
 * @returns how many files
 * @throws as {@link localCopy}; files that came before stay
 */
export async function fetchInto(
  storage: Storage,
  folder: string,
  options: Omit<LocalCopyOptions, 'cache'> = {},
): Promise<number> {
  const entries = await entriesOf(storage, options);
  await download(storage, entries, folder, options);
  return entries.length;
}

async function entriesOf(
  storage: Storage,
  { maximumBytes = MAXIMUM_BYTES, signal }: Omit<LocalCopyOptions, 'cache'>,
): Promise<readonly StoredEntry[]> {
  const refuse = refuser(DataError, `Copying ${storage.location}`);
  const entries: StoredEntry[] = [];
  let bytes = 0;
  for await (const entry of storage.list()) {
    signal?.throwIfAborted();
    entries.push(entry);
    bytes += entry.bytes;
    if (bytes > maximumBytes || entries.length > MOST_FILES) {
      const most = `at most ${MOST_FILES} files of ${maximumBytes} bytes together`;
      throw refuse(most, 'more', 'name the folder of one run or export');
    }
  }
  if (entries.length > 0) return entries;
  throw refuse('a folder with files in it', 'nothing there', 'check the location; a single file is none');
}

/** Several files at a time; when one fails, the others end before this does. */
async function download(
  storage: Storage,
  entries: readonly StoredEntry[],
  folder: string,
  { signal, onProgress }: Omit<LocalCopyOptions, 'cache'>,
): Promise<void> {
  const total = entries.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  const onBytes = (bytes: number): void => onProgress?.((done += bytes), total);
  const failure = new AbortController();
  const either = AbortSignal.any(signal === undefined ? [failure.signal] : [failure.signal, signal]);
  const due = entries.values();
  const lanes = Array.from({ length: FILES_AT_ONCE }, async () => {
    for (const entry of due) {
      either.throwIfAborted();
      // a listing gives no path that leads out
      await copyFile(await storage.open(entry.path, entry.version), join(folder, entry.path), either, onBytes);
    }
  });
  await Promise.allSettled(lanes.map((lane) => lane.catch((error: unknown) => failure.abort(error))));
  either.throwIfAborted();
}

async function copyFile(
  file: StoredFile,
  target: string,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  const counted = async function* (pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of pieces) {
      yield piece;
      onBytes(piece.length);
    }
  };
  await pipeline(file.stream(), counted, createWriteStream(target, { flush: true }), { signal });
  const { size } = await stat(target);
  if (size === file.bytes) return;
  const refuse = refuser(DataError, `Copying ${file.name}`);
  throw refuse(`${file.bytes} bytes`, `${size}`, 'try again; the disk or the network lost some');
}

/** Takes away what downloads that were killed have left. */
async function removeForgotten(copies: string): Promise<void> {
  for (const name of await readdir(copies).catch(() => [] as string[])) {
    const path = join(copies, name);
    if (!TEMPORARY.test(name)) continue;
    const age = await stat(path).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    if (age > FORGOTTEN_MS) await rm(path, { recursive: true, force: true });
  }
}

function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}
