import { createGunzip } from 'node:zlib';
import type { StoredFile } from '@drf/files';
import { messageOf, RowError } from '../ledger.js';

const MAGIC = Buffer.from([0x1f, 0x8b]);

/** Compressed bytes that are unpacked at a time: at most about a thousand times as many come out of them. */
const PIECE_BYTES = 16 * 1024;

export function isGzip(head: Uint8Array): boolean {
  return head.length > MAGIC.length && MAGIC.equals(head.subarray(0, MAGIC.length));
}

/**
 * What a file of gzip holds, as a file that can be read from its start only, piece by piece: nothing is kept of it. One that
 * breaks off, or is damaged, gives what comes before that and then a {@link RowError}.
 */
export function unpacked(file: StoredFile): StoredFile {
  const { path, name, version } = file;
  return {
    path,
    name,
    version,
    bytes: Infinity,
    read: (start, end) => collect(unpack(file), start, end),
    stream: () => unpack(file),
  };
}

/** Bytes of a stream between two places. */
async function collect(chunks: AsyncIterable<Uint8Array>, start: number, end: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let [position, length] = [0, 0];
  try {
    for await (const chunk of chunks) {
      const wanted = chunk.subarray(Math.max(0, start - position), Math.max(0, end - position));
      position += chunk.length;
      length += wanted.length;
      pieces.push(wanted);
      if (position >= end) break;
    }
  } catch (error) {
    if (!(error instanceof RowError) || length === 0) throw error; // who reads on gets to it
  }
  return Buffer.concat(pieces);
}

/**
 * Each piece is unpacked whole before what came of it is given on, since a stream of Node forgets what it has ready when
 * it fails, and pieces are of one size, so that what is lost at a damaged place does not depend on how the bytes came.
 */
async function* unpack(file: StoredFile): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip();
  let ready: Buffer[] = [];
  let failure: Error | undefined;
  const failed = new Promise<void>((resolve) => {
    gunzip.once('error', (error) => {
      failure = error;
      resolve();
    });
  });
  gunzip.on('data', (chunk: Buffer) => ready.push(chunk));
  const taken = (): Buffer[] => {
    const all = ready;
    ready = [];
    return all;
  };
  try {
    for await (const piece of piecesOf(file.stream())) {
      await Promise.race([failed, new Promise<unknown>((resolve) => gunzip.write(piece, resolve))]);
      yield* taken();
      if (failure !== undefined) throw brokenOff(file, failure);
    }
    const ended = new Promise<void>((resolve) => gunzip.once('end', resolve));
    gunzip.end();
    await Promise.race([failed, ended]);
    yield* taken();
    if (failure !== undefined) throw brokenOff(file, failure);
  } finally {
    gunzip.destroy();
  }
}

async function* piecesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    for (; bytes.length - start >= PIECE_BYTES; start += PIECE_BYTES) yield bytes.subarray(start, start + PIECE_BYTES);
    rest = bytes.subarray(start);
  }
  if (rest.length > 0) yield rest;
}

function brokenOff({ path }: StoredFile, cause: Error): RowError {
  return new RowError(
    'unreadable file',
    {
      subject: `Unpacking ${path}`,
      expected: 'a whole gzip file',
      received: `one that breaks off or is damaged here (${messageOf(cause)})`,
      remedy: 'fetch or pack it again; what stands before this place is read',
    },
    { cause },
  );
}
