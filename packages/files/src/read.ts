import { constants, createReadStream } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { DataError } from '@drf/tensor';

/** Without waiting: opening a pipe that nobody writes to would never end. Windows has no such flag. */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** Bytes asked for in one read. Node's own readFile refuses files of 2 GiB, which checkpoints reach. */
const CHUNK_BYTES = 64 * 1024 * 1024;

/**
 * Opens a file of bounded size for reading. The caller closes it.
 * @throws DataError naming the file when it is missing, not a file, or larger than `maximumBytes` (code "too-large").
 */
export async function openBounded(path: string, maximumBytes: number): Promise<{ handle: FileHandle; size: number }> {
  const handle = await open(path, OPEN_FLAGS).catch((error: NodeJS.ErrnoException) => {
    throw new DataError(
      {
        subject: `Reading ${path}`,
        expected: 'a readable file',
        received: error.code ?? error.message,
        remedy: 'check the path',
      },
      { cause: error },
    );
  });
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) {
      throw new DataError({ subject: `Reading ${path}`, expected: 'a file', received: 'a folder or device' });
    }
    if (stats.size > maximumBytes) {
      throw new DataError({
        subject: `Reading ${path}`,
        expected: `at most ${maximumBytes} bytes`,
        received: `${stats.size} bytes`,
        remedy: 'shrink the file or raise the limit',
        code: 'too-large',
      });
    }
    return { handle, size: stats.size };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Fills a buffer from a place of a file on. Gives the count of bytes read: fewer when the file ends before. */
export async function readRange(handle: FileHandle, buffer: Buffer, position: number): Promise<number> {
  let filled = 0;
  while (filled < buffer.length) {
    const wanted = Math.min(CHUNK_BYTES, buffer.length - filled);
    const { bytesRead } = await handle.read(buffer, filled, wanted, position + filled);
    if (bytesRead === 0) break; // it became shorter meanwhile
    filled += bytesRead;
  }
  return filled;
}

/**
 * Reads a file of bounded size, as long as it was when it was opened.
 * @throws DataError naming the file when it is missing, not a file, or larger than `maximumBytes`.
 */
export async function readBounded(path: string, maximumBytes: number): Promise<Buffer> {
  const { handle, size } = await openBounded(path, maximumBytes);
  try {
    const buffer = Buffer.allocUnsafe(size);
    return buffer.subarray(0, await readRange(handle, buffer, 0));
  } finally {
    await handle.close();
  }
}

/** {@link readBounded}, parsed. @throws DataError naming the file and the parser's complaint. */
export async function readJson(path: string, maximumBytes = 512 * 1024 * 1024): Promise<unknown> {
  const text = (await readBounded(path, maximumBytes)).toString('utf8');
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new DataError(
      {
        subject: `Reading ${path}`,
        expected: 'valid JSON',
        received: (error as Error).message,
        remedy: 'repair or remake the file',
      },
      { cause: error },
    );
  }
}

/** SHA-256 of bytes, in hexadecimal: what {@link fileHash} gives of a file that holds them. */
export function bytesHash(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** SHA-256 of several parts, in hexadecimal, each with its length, so that no other division gives the same. */
export function contentHash(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part, 'utf8') : part;
    hash.update(`${bytes.length}:`).update(bytes);
  }
  return hash.digest('hex');
}

/** SHA-256 of a file's bytes, in hexadecimal, read piece by piece. */
export async function fileHash(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest('hex');
}
