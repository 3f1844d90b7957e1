import { open } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { DataError } from '@drf/tensor';

/**
 * Reads a file of bounded size.
 * @throws DataError naming the file when it is missing, not a file, or larger than `maximumBytes`.
 */
export async function readBounded(path: string, maximumBytes: number): Promise<Buffer> {
  const handle = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
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
      });
    }
    return await handle.readFile();
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

/** SHA-256 of content, in hexadecimal. */
export function contentHash(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part, 'utf8') : part;
    hash.update(`${bytes.length}:`).update(bytes);
  }
  return hash.digest('hex');
}
