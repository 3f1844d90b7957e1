import { mkdir, open, readdir, rm, stat, type FileHandle } from 'node:fs/promises';

/** The file system as the cache uses it; tests put a full disk in its place. */
export interface CacheFiles {
  open(path: string, flags: string): Promise<FileHandle>;
  makeFolder(path: string): Promise<void>;
  /** Names in a folder, sorted; none when the folder is not there. */
  list(path: string): Promise<string[]>;
  /** Bytes of a file; 0 when it is not there. */
  size(path: string): Promise<number>;
  remove(path: string): Promise<void>;
}

function zeroWhenAbsent<Value>(otherwise: Value): (error: NodeJS.ErrnoException) => Value {
  return (error) => {
    if (error.code === 'ENOENT') return otherwise;
    throw error;
  };
}

export const diskFiles: CacheFiles = {
  open: (path, flags) => open(path, flags),
  makeFolder: async (path) => void (await mkdir(path, { recursive: true })),
  list: (path) => readdir(path).then((names) => names.sort(), zeroWhenAbsent<string[]>([])),
  size: (path) => stat(path).then((stats) => stats.size, zeroWhenAbsent(0)),
  remove: (path) => rm(path, { force: true }),
};

/** Reads up to `length` bytes from a place; fewer when the file ends before. */
export async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

/** Writes all of the bytes at a place, in as many calls as it takes. */
export async function writeAt(handle: FileHandle, position: number, bytes: Uint8Array): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, position + written);
    written += bytesWritten;
  }
}
