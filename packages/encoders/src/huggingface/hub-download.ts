import { createHash, type Hash } from 'node:crypto';
import { createReadStream, existsSync, statSync } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { readJson, RefusedError, writeFileAtomic, writeJsonAtomic } from '@drf/files';
import { DataError, DrfError } from '@drf/tensor';
import type { HubClient, RemoteFile } from './hub-client.js';

/** A commit's hash, which names content that never changes. */
export const COMMIT = /^[0-9a-f]{40}$/;

/** A file of a commit as it was fetched. */
export interface FetchedFile {
  readonly name: string;
  readonly bytes: number;
  /** The hub's name for the content. */
  readonly etag: string;
}

/**
 * A model's place in a cache, laid out as Python's `huggingface_hub` does, so that both use one another's files:
 * `blobs/<etag>`, `snapshots/<commit>/<file>` as links to them, `refs/<branch or tag>` with a commit. Beside them
 * `fetched-<commit>.json` lists what this package fetched of a commit.
 */
export class ModelCache {
  private readonly root: string;

  constructor(cacheDir: string, id: string) {
    this.root = join(cacheDir, `models--${id.replaceAll('/', '--')}`);
  }

  snapshot(commit: string): string {
    return join(this.root, 'snapshots', commit);
  }

  blob(etag: string): string {
    return join(this.root, 'blobs', etag);
  }

  /** The commit that a branch or tag had when it was asked for last. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (COMMIT.test(revision)) return revision;
    const text = await readFile(join(this.root, 'refs', revision), 'utf8').catch(() => '');
    return COMMIT.test(text.trim()) ? text.trim() : undefined;
  }

  /** Whether everything that was once listed for a commit is there, in full. */
  async isComplete(commit: string): Promise<boolean> {
    const record = await readJson(this.record(commit), 1024 * 1024).catch(() => undefined);
    const { files } = (record ?? {}) as { readonly files?: readonly FetchedFile[] };
    return Array.isArray(files) && files.every(({ name, bytes }) => this.has(commit, String(name), bytes));
  }

  /** Whether a file of a commit is there, of a given length where that is known. */
  has(commit: string, name: string, bytes?: number): boolean {
    const stats = statSync(join(this.snapshot(commit), name), { throwIfNoEntry: false });
    return stats?.isFile() === true && (bytes === undefined || stats.size === bytes);
  }

  /** Makes a blob a file of a commit. Where links cannot be made, the blob itself moves. */
  async link(commit: string, { name, etag }: FetchedFile): Promise<void> {
    const path = join(this.snapshot(commit), name);
    const blob = this.blob(etag);
    await mkdir(dirname(path), { recursive: true });
    await symlink(relative(dirname(path), blob), path).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST' && existsSync(path)) return;
      await rename(blob, path);
    });
  }

  /** Notes what a commit consists of and which revision it was. */
  async keep(commit: string, revision: string, files: readonly FetchedFile[]): Promise<void> {
    await writeJsonAtomic(this.record(commit), { commit, files });
    if (!COMMIT.test(revision)) await writeFileAtomic(join(this.root, 'refs', revision), commit);
  }

  private record(commit: string): string {
    return join(this.root, `fetched-${commit}.json`);
  }
}

/** Encoders are smaller; a longer file is not what it says. */
const MAXIMUM_BYTES = 16 * 1024 ** 3;

interface Download extends RemoteFile {
  readonly name: string;
  /** Called with the bytes that arrived, and once with those that were there before. */
  readonly onBytes: (bytes: number) => void;
}

/** The hash that an etag is: SHA-256 of large files, git's of small ones. */
function hashFor(etag: string | undefined, bytes: number): Hash | undefined {
  if (etag !== undefined && /^[0-9a-f]{64}$/.test(etag)) return createHash('sha256');
  if (etag !== undefined && /^[0-9a-f]{40}$/.test(etag)) return createHash('sha1').update(`blob ${bytes}\0`);
  return undefined;
}

async function lengthOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

async function isAsNamed(path: string, etag: string | undefined): Promise<boolean> {
  const hash = hashFor(etag, await lengthOf(path));
  if (hash === undefined) return true;
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex') === etag;
}

/**
 * Appends what is still missing of a file. Bytes are written at their own places, so that two processes that fetch one
 * file write the same.
 */
async function fetchRest(client: HubClient, download: Download, path: string): Promise<void> {
  const from = await lengthOf(path);
  await client.get(download.url, from, async (response, onBytes) => {
    if (response.status === 416) throw new RefusedError(response);
    const handle = await open(path, from > 0 ? 'r+' : 'w');
    try {
      let position = response.status === 206 ? from : 0;
      for await (const bytes of response.body ?? []) {
        onBytes();
        if (position + bytes.length > (download.bytes ?? MAXIMUM_BYTES)) throw tooLong(download);
        await handle.write(bytes, 0, bytes.length, position);
        position += bytes.length;
        download.onBytes(bytes.length);
      }
      await handle.truncate(position);
      await handle.sync();
    } finally {
      await handle.close();
    }
  });
}

function tooLong({ name, bytes = MAXIMUM_BYTES }: Download): DataError {
  return new DataError({ subject: `Fetching ${name}`, expected: `${bytes} bytes`, received: 'more' });
}

/** An error of the file system: a full disk, a folder without permission. */
function fileError(error: unknown, { name }: Download, path: string): DataError | undefined {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined || !['write', 'open', 'mkdir', 'ftruncate', 'fsync'].includes(syscall)) return undefined;
  return new DataError(
    { subject: `Fetching ${name}`, expected: `room and permission to write ${path}`, received: String(code) },
    { cause: error },
  );
}

async function fetchAll(client: HubClient, download: Download, path: string): Promise<void> {
  let before = 0;
  const attempt = async (): Promise<void> => {
    if (download.bytes === undefined) await rm(path, { force: true }); // nothing says whether it goes on there
    before = await lengthOf(path);
    if (before === download.bytes && existsSync(path)) return;
    await fetchRest(client, download, path);
    if (download.bytes === undefined || (await lengthOf(path)) === download.bytes) return;
    throw new Error('the connection ended early');
  };
  const gotOn = async (): Promise<boolean> => (await lengthOf(path)) > before;
  const isFinal = (error: Error): boolean =>
    error instanceof DrfError || fileError(error, download, path) !== undefined;
  await client.retry(attempt, { gotOn }, isFinal).catch((error: Error) => {
    if (error instanceof DrfError) throw error;
    throw fileError(error, download, path) ?? client.failure(error);
  });
}

/**
 * Fetches a file to its place, going on where an earlier attempt stopped (in `<path>.incomplete`). The file appears
 * whole, with the length that the hub says, and with the hash where the hub's etag is one.
 * @returns its length in bytes
 * @throws UnavailableError when the connection keeps breaking; DataError for a full disk and for content that is not
 * what the hub says
 */
export async function downloadTo(client: HubClient, download: Download, path: string): Promise<number> {
  if (download.bytes !== undefined && existsSync(path) && (await lengthOf(path)) === download.bytes) {
    download.onBytes(download.bytes);
    return download.bytes;
  }
  const part = `${path}.incomplete`;
  await mkdir(dirname(path), { recursive: true });
  if ((await lengthOf(part)) > (download.bytes ?? MAXIMUM_BYTES)) await rm(part);
  download.onBytes(download.bytes === undefined ? 0 : await lengthOf(part));
  await fetchAll(client, download, part);
  if (!(await isAsNamed(part, download.etag))) {
    await rm(part, { force: true });
    throw new DataError({
      subject: `Fetching ${download.name}`,
      expected: `content with the hash ${download.etag}`,
      received: 'other content',
      remedy: 'try again; it starts from the beginning',
    });
  }
  await rename(part, path).catch((error: unknown) => {
    if (!existsSync(path)) throw error; // another process was faster
  });
  return lengthOf(path);
}
