import { join } from 'node:path';
import type { FileHandle } from 'node:fs/promises';
import { writeAt, type CacheFiles } from './files.js';
import { Segment } from './segment.js';
import {
  checksum,
  encodeEntry,
  encodeHeader,
  ENTRY_BYTES,
  rowBytes,
  type SegmentDescription,
  type SegmentEntry,
  type Storage,
} from './segment-format.js';

const INDEX_NAME = /^segment-(\d{6,})\.index$/;

/** Index files of a folder's segments in the order of their numbers: later ones overrule earlier ones. */
export function segmentNames(names: readonly string[]): string[] {
  const numbered = names.flatMap((name) => {
    const digits = INDEX_NAME.exec(name)?.[1];
    return digits === undefined ? [] : [{ name, number: Number(digits) }];
  });
  return numbered.sort((a, b) => a.number - b.number).map(({ name }) => name);
}

export function rowsName(indexName: string): string {
  return indexName.replace(/\.index$/, '.rows');
}

/** Appends rows to a segment that belongs to this process alone. */
export class SegmentWriter {
  private constructor(
    readonly segment: Segment,
    private readonly index: FileHandle,
    private readonly rows: FileHandle,
    private readonly headerLength: number,
    private readonly storage: Storage | undefined,
  ) {}

  /** Starts the next free number; opening with `x` settles which of two processes gets it. */
  static async create(folder: string, description: SegmentDescription, files: CacheFiles): Promise<SegmentWriter> {
    await files.makeFolder(folder);
    const last = segmentNames(await files.list(folder)).at(-1) ?? '';
    for (let number = Number(INDEX_NAME.exec(last)?.[1] ?? 0) + 1; ; number++) {
      const indexPath = join(folder, `segment-${String(number).padStart(6, '0')}.index`);
      const index = await files.open(indexPath, 'wx').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'EEXIST') return undefined;
        throw error;
      });
      if (index !== undefined) return SegmentWriter.start(index, indexPath, description, files);
    }
  }

  private static async start(
    index: FileHandle,
    indexPath: string,
    description: SegmentDescription,
    files: CacheFiles,
  ): Promise<SegmentWriter> {
    const header = encodeHeader(description);
    try {
      await writeAt(index, 0, header);
      const rowsPath = rowsName(indexPath);
      const rows = await files.open(rowsPath, 'w');
      const segment = new Segment(indexPath, rowsPath, description, files);
      segment.adopt([], header.length);
      return new SegmentWriter(segment, index, rows, header.length, description.storage);
    } catch (error) {
      await index.close();
      await files.remove(indexPath);
      throw error;
    }
  }

  /**
   * Writes rows, then their entries. When that fails (a full disk), the files end where they ended before.
   * @returns the number of the first row
   */
  async append(rows: readonly { readonly digest: string; readonly row: Float32Array }[]): Promise<number> {
    const first = this.segment.rows;
    const stored = rows.map(({ row }) => rowBytes(row, this.storage));
    const bytes = Buffer.concat(stored);
    const entries = rows.map(({ digest }, i): SegmentEntry => ({ digest, rowChecksum: checksum(stored[i] as Buffer) }));
    const rowsEnd = first * this.segment.rowLength;
    const indexEnd = this.headerLength + first * ENTRY_BYTES;
    try {
      await writeAt(this.rows, rowsEnd, bytes);
      await writeAt(this.index, indexEnd, Buffer.concat(entries.map(encodeEntry)));
    } catch (error) {
      await Promise.allSettled([this.index.truncate(indexEnd), this.rows.truncate(rowsEnd)]);
      throw error;
    }
    this.segment.adopt(entries, this.headerLength);
    return first;
  }

  /** Brings everything to the disk itself and closes the files. */
  async close(): Promise<void> {
    try {
      await this.rows.datasync();
      await this.index.datasync();
    } finally {
      await Promise.all([this.rows.close(), this.index.close()]);
    }
  }
}
