import { closeSync, mkdtempSync, openSync, read, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DataError } from '@drf/tensor';
import type { ContentSource } from '../dataset.js';

const readAt = promisify(read);

/** Closes the files of spools that nothing refers to any more. */
const unused = new FinalizationRegistry<number>((file) => closeSync(file));

/**
 * Keeps images that came inside a table on the disk, so that memory does not grow with their number: a file in the
 * system's folder for temporary files, which has no name from the start and is gone with the process.
 */
export class ImageSpool {
  private file: number | undefined;
  private size = 0;

  /** @throws DataError when the disk is full */
  keep(bytes: Uint8Array, description: string): ContentSource {
    const { length } = bytes;
    const start = this.size;
    try {
      this.file ??= this.create();
      while (this.size < start + length) {
        this.size += writeSync(this.file, bytes, this.size - start, undefined, this.size);
      }
    } catch (cause) {
      throw new DataError(
        {
          subject: `Keeping the images of a table in ${tmpdir()}`,
          expected: 'room for them',
          received: (cause as Error).message,
          remedy: 'make room, or name another folder by the environment variable TMPDIR',
        },
        { cause },
      );
    }
    return { description, bytes: () => this.read(start, length) };
  }

  private create(): number {
    const folder = mkdtempSync(join(tmpdir(), 'drf-images-'));
    const file = openSync(join(folder, 'images'), 'wx+', 0o600);
    unused.register(this, file);
    rmSync(folder, { recursive: true, force: true });
    return file;
  }

  private async read(position: number, length: number): Promise<Uint8Array> {
    const buffer = Buffer.alloc(length);
    for (let filled = 0; filled < length;) {
      const { bytesRead } = await readAt(this.file as number, buffer, filled, length - filled, position + filled);
      if (bytesRead === 0) throw new DataError({ subject: 'The images of a table', expected: `${length} bytes`, received: `${filled}` }); // prettier-ignore
      filled += bytesRead;
    }
    return buffer;
  }
}
