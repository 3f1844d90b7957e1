import { closeSync, mkdtempSync, openSync, read, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DataError } from '@drf/tensor';
import { sniffImageFormat } from '@drf/preprocessing';
import { RowError } from '../ledger.js';
import type { ContentSource } from '../dataset.js';

/** An image whose bytes stand in the table itself. */
export interface EmbeddedImage {
  readonly bytes: Uint8Array;
  /** The name of the file that it once was, where the table has it. */
  readonly name: string | null;
}

/** What a row says of its image: a path, or the image itself; `null`: the post has none. */
export type ImageCell = string | EmbeddedImage | null;

/** Characters of a cell that tell whether it holds an image in base64. */
const TELLING_CHARACTERS = 64;

/**
 * Reads a cell of images: a path; bytes; bytes in base64, also as a `data:` URL; the structure `{ bytes, path }` of
 * Hugging Face data sets, with either; or a list of one of these.
 * @param subject the row, for errors
 * @throws RowError when it is something else, or more than one image
 */
export function imageCell(subject: string, value: unknown): ImageCell {
  if (value === undefined || value === null || Number.isNaN(value)) return null;
  if (typeof value === 'string') return pathOrImage(subject, value.trim());
  if (value instanceof Uint8Array) return bytesOrPath(value);
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    if (items.length > 1) throw wrong(subject, 'one image a post', `a list of ${items.length}`, 'make each a row');
    return imageCell(subject, items[0]);
  }
  if (typeof value === 'object' && ('bytes' in value || 'path' in value)) {
    const { bytes = null, path = null } = value as { readonly bytes?: unknown; readonly path?: unknown };
    const name = typeof path === 'string' && path !== '' ? path : null;
    if (bytes === null) return imageCell(subject, path);
    if (name === null && bytes instanceof Uint8Array && bytes.length === 0) return null; // nothing said of an image
    if (bytes instanceof Uint8Array) return { bytes, name };
    if (typeof bytes === 'string') return { bytes: fromBase64(subject, bytes), name };
    throw wrong(subject, 'its bytes in base64', typeOf(bytes));
  }
  if (typeof value === 'object' && 'width' in value && 'height' in value && 'data' in value) {
    const { width, height, data } = value; // as `writeMemoryRows` puts down pixels that are not as many as they say
    throw wrong(subject, `${String(width)} × ${String(height)} pixels of 3 bytes`, `${String(data)} bytes`);
  }
  throw wrong(subject, 'the path of an image file, or an image', typeOf(value));
}

function pathOrImage(subject: string, text: string): ImageCell {
  if (text === '') return null;
  const comma = /^data:/i.test(text) ? text.indexOf(',') : -1;
  if (comma > 0) {
    const head = text.slice(0, Math.min(comma, 100));
    if (/;base64$/i.test(head)) return { bytes: fromBase64(subject, text.slice(comma + 1)), name: null };
    throw wrong(subject, 'a data: URL of an image in base64', `one that begins with ${JSON.stringify(head)}`);
  }
  const start = text.slice(0, TELLING_CHARACTERS);
  const isBase64 = start.length === TELLING_CHARACTERS && /^[A-Za-z0-9+/]+$/.test(start);
  if (isBase64 && sniffImageFormat(Buffer.from(start, 'base64')) !== null) {
    return { bytes: fromBase64(subject, text), name: null };
  }
  return text;
}

/** Some writers of Parquet leave columns of texts unmarked, so that paths come as bytes. */
function bytesOrPath(bytes: Uint8Array): ImageCell {
  if (bytes.length === 0 || bytes.length > 4096 || sniffImageFormat(bytes) !== null) return { bytes, name: null };
  const text = Buffer.from(bytes).toString('utf8');
  return /[\p{Cc}\ufffd]/u.test(text) ? { bytes, name: null } : text.trim() || null;
}

function fromBase64(subject: string, text: string): Buffer {
  const plain = text.replaceAll(/\s+/g, '');
  if (/^[A-Za-z0-9+/_-]*={0,2}$/.test(plain)) return Buffer.from(plain, 'base64');
  throw wrong(subject, 'an image in base64', `${text.length} characters that are none`);
}

function typeOf(value: unknown): string {
  if (typeof value === 'object') return value === null ? 'null' : Array.isArray(value) ? 'a list' : 'a structure';
  return String(value).slice(0, 60);
}

function wrong(subject: string, expected: string, received: string, remedy = 'correct the row'): RowError {
  return new RowError('bad row', { subject: `${subject}, column image`, expected, received, remedy });
}

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
