import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { retryRequest, withAnswer } from '@drf/files';
import { DataError, UnavailableError } from '@drf/tensor';
import { startProgress, type Progress } from '@drf/terminal';
import { diskError } from './tools.js';
import { describeNetworkError } from './simple-index.js';

export interface DownloadOptions {
  /** Checked at the end when known. */
  readonly sha256?: string;
  readonly get?: typeof fetch;
  readonly signal?: AbortSignal;
  readonly silent?: boolean;
  /** Connections that may fail without a single byte before it gives up. */
  readonly attempts?: number;
  /** Milliseconds before the second attempt, twice as many before the next, … */
  readonly pause?: number;
  /** Milliseconds without a byte after which a connection counts as lost. */
  readonly patience?: number;
}

const MEGABYTE = 1e6;
/** Wheels are smaller; a longer file is not what it says. */
const LARGEST_FILE = 8 * 1024 ** 3;

function tooLong(partial: string): DataError {
  const subject = `Download of ${basename(partial, '.part')}`;
  return new DataError({ subject, expected: `at most ${LARGEST_FILE} bytes`, received: 'more' });
}

export async function fileSha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    (found) => found.size,
    () => 0,
  );
}

/** Bytes of the whole file: of a partial answer, the number after the slash. */
function totalOf(response: Response, from: number): number {
  const range = /\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1];
  return range === undefined ? from + Number(response.headers.get('content-length') ?? 0) : Number(range);
}

/**
 * Downloads a file, going on where an earlier attempt or process stopped: bytes go to `TARGET.part`, which becomes the
 * target when it is whole and has its hash. A lost connection is taken up again by itself.
 * @throws UnavailableError when the server cannot be reached or refuses; DataError for a wrong hash or a full disk
 */
export async function download(url: string, target: string, options: DownloadOptions = {}): Promise<void> {
  const partial = `${target}.part`;
  if ((await sizeOf(target)) > 0 && (options.sha256 === undefined || (await fileSha256(target)) === options.sha256)) {
    return;
  }
  await mkdir(dirname(target), { recursive: true }).catch((error: unknown) => {
    throw diskError(dirname(target), error);
  });
  await fetchAll(url, partial, options);
  if (options.sha256 !== undefined) await assertHash(partial, options.sha256);
  await rename(partial, target);
}

async function assertHash(partial: string, expected: string): Promise<void> {
  const received = await fileSha256(partial);
  if (received === expected) return;
  await rm(partial, { force: true });
  throw new DataError({
    subject: `Download of ${basename(partial, '.part')}`,
    expected: `SHA-256 ${expected}`,
    received,
    remedy: 'it was deleted; run the command again',
  });
}

async function fetchAll(url: string, partial: string, options: DownloadOptions): Promise<void> {
  const { attempts = 5, pause = 1000, signal } = options;
  let before = 0;
  const attempt = async (): Promise<void> => {
    before = await sizeOf(partial);
    await fetchRest(url, partial, before, options);
  };
  const gotOn = async (): Promise<boolean> => (await sizeOf(partial)) > before;
  const isFinal = (error: Error): boolean => error instanceof DataError;
  await retryRequest(attempt, { attempts, delayMs: pause, gotOn, signal }, isFinal).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw error instanceof DataError ? error : unreachable(url, partial, error);
  });
}

function unreachable(url: string, partial: string, error: unknown): UnavailableError {
  return new UnavailableError(
    {
      subject: `Download of ${basename(partial, '.part')}`,
      expected: `an answer of ${new URL(url).host}`,
      received: describeNetworkError(error),
      remedy: 'check the network and run the command again; it goes on where it stopped',
    },
    { cause: error },
  );
}

async function fetchRest(url: string, partial: string, from: number, options: DownloadOptions): Promise<void> {
  const { get, signal, patience: patienceMs } = options;
  const headers = from > 0 ? { range: `bytes=${from}-` } : undefined;
  await withAnswer(url, { get, headers, signal, patienceMs }, async (response, onBytes) => {
    if (response.status === 416) return restart(partial, response, from);
    const start = response.status === 206 ? from : 0; // a server without ranges sends everything again
    return append(response, partial, start, options, onBytes);
  });
}

/** "Range not satisfiable": either nothing is lacking, or the part is longer than the file and useless. */
async function restart(partial: string, response: Response, from: number): Promise<void> {
  if (totalOf(response, -1) === from) return;
  await rm(partial, { force: true });
  throw new Error('the partial file did not fit and was deleted');
}

async function append(
  response: Response,
  partial: string,
  start: number,
  options: DownloadOptions,
  onBytes: () => void,
): Promise<void> {
  const total = totalOf(response, start);
  const progress = byteProgress(`Downloading ${basename(partial, '.part')}`, total, start, options.silent);
  const handle = await open(partial, start === 0 ? 'w' : 'r+').catch((error: unknown) => {
    throw diskError(partial, error);
  });
  let position = start;
  try {
    for await (const chunk of response.body ?? []) {
      onBytes();
      if (position + chunk.length > LARGEST_FILE) throw tooLong(partial);
      await writeAll(handle, chunk, position).catch((error: unknown) => {
        throw diskError(partial, error);
      });
      position += chunk.length;
      progress.update(Math.round(position / MEGABYTE));
    }
  } finally {
    progress.stop();
    await handle.close();
  }
  if (total > start && position < total) throw new Error(`the connection ended after ${position} of ${total} bytes`);
}

/** A single write may take only a part. */
async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

function byteProgress(label: string, total: number, initial: number, silent: boolean | undefined): Progress {
  return startProgress({
    label,
    total: Math.max(1, Math.round(total / MEGABYTE)),
    initial: Math.round(initial / MEGABYTE),
    unit: 'MB',
    silent,
  });
}
