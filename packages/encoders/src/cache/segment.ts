import { basename } from 'node:path';
import { CheckpointError } from '@drf/tensor';
import type { FileHandle } from 'node:fs/promises';
import { readAt, type CacheFiles } from './files.js';
import {
  checksum,
  decodeEntry,
  decodeHeader,
  ENTRY_BYTES,
  MAXIMUM_HEADER_BYTES,
  rowLength,
  type SegmentDescription,
  type SegmentEntry,
} from './segment-format.js';

/** Entries read at a time: 3 MB of index. */
const ENTRIES_PER_READ = 65_536;

/** A row that an index names: which row of the segment, and of which key. */
export interface FoundRow {
  readonly digest: string;
  readonly row: number;
}

/** One segment as a reader sees it. It may grow meanwhile: another process may be writing it. */
export class Segment {
  private readonly checksums: (Buffer | undefined)[] = [];
  private headerLength = 0;
  private rowsHandle: Promise<FileHandle> | undefined;

  constructor(
    readonly indexPath: string,
    readonly rowsPath: string,
    private readonly description: SegmentDescription,
    private readonly files: CacheFiles,
  ) {}

  /** Entries read so far, with those that did not check out. */
  get rows(): number {
    return this.checksums.length;
  }

  get rowLength(): number {
    return rowLength(this.description);
  }

  /** Takes over rows that the writer of this process appended. */
  adopt(entries: readonly SegmentEntry[], headerLength: number): void {
    this.headerLength = headerLength;
    for (const entry of entries) this.checksums.push(entry.rowChecksum);
  }

  /**
   * Reads the entries that were added since the last call.
   * @throws CheckpointError naming the file when it is not a segment of this cache
   */
  async loadNew(onProblem: (problem: string) => void): Promise<FoundRow[]> {
    const size = await this.files.size(this.indexPath);
    if (size <= this.headerLength + this.rows * ENTRY_BYTES) return [];
    const handle = await this.files.open(this.indexPath, 'r');
    try {
      if (this.headerLength === 0) await this.readHeader(handle, onProblem);
      return this.headerLength === 0 ? [] : await this.readEntries(handle, onProblem);
    } finally {
      await handle.close();
    }
  }

  /** The bytes of consecutive rows; fewer when the file ends before. */
  async read(firstRow: number, count: number): Promise<Buffer> {
    this.rowsHandle ??= this.files.open(this.rowsPath, 'r');
    return readAt(await this.rowsHandle, firstRow * this.rowLength, count * this.rowLength);
  }

  /** Whether a row's bytes are those that were written. */
  checksOut(row: number, bytes: Buffer): boolean {
    return bytes.length === this.rowLength && this.checksums[row]?.equals(checksum(bytes)) === true;
  }

  async close(): Promise<void> {
    const opening = this.rowsHandle;
    this.rowsHandle = undefined;
    await (await opening?.catch(() => undefined))?.close();
  }

  private async readHeader(handle: FileHandle, onProblem: (problem: string) => void): Promise<void> {
    const header = decodeHeader(await readAt(handle, 0, MAXIMUM_HEADER_BYTES));
    if (header === 'incomplete') {
      onProblem(`${basename(this.indexPath)}: ends within its header; ignored`);
      return;
    }
    const { encoder, outputDim, storage } = this.description;
    const fits =
      header !== 'foreign' &&
      header.description.encoder === encoder &&
      header.description.outputDim === outputDim &&
      header.description.storage === storage;
    if (!fits) {
      const other = header === 'foreign' ? undefined : header.description;
      throw new CheckpointError({
        subject: `Feature cache file ${this.indexPath}`,
        expected: `a segment of encoder "${encoder}" with ${outputDim} ${storage === undefined ? '' : `${storage} `}values a row`,
        received:
          other === undefined
            ? 'a file of another kind, or a damaged header'
            : `one of encoder "${other.encoder}" with ${other.outputDim} ${other.storage === undefined ? '' : `${other.storage} `}values`,
        remedy: `delete it and ${basename(this.rowsPath)}; their features will be computed again`,
      });
    }
    this.headerLength = header.length;
  }

  private async readEntries(handle: FileHandle, onProblem: (problem: string) => void): Promise<FoundRow[]> {
    const found: FoundRow[] = [];
    const firstNew = this.rows;
    for (;;) {
      const position = this.headerLength + this.rows * ENTRY_BYTES;
      const bytes = await readAt(handle, position, ENTRIES_PER_READ * ENTRY_BYTES);
      const complete = Math.floor(bytes.length / ENTRY_BYTES); // an entry may be half written
      if (complete === 0) break;
      for (let i = 0; i < complete; i++) {
        const entry = decodeEntry(bytes, i * ENTRY_BYTES);
        if (entry !== undefined) found.push({ digest: entry.digest, row: this.rows });
        this.checksums.push(entry?.rowChecksum);
      }
    }
    const damaged = this.rows - firstNew - found.length;
    if (damaged > 0) onProblem(`${basename(this.indexPath)}: ${damaged} damaged entries; dropped`);
    return this.dropRowsBeyondEnd(found, onProblem);
  }

  private async dropRowsBeyondEnd(found: FoundRow[], onProblem: (problem: string) => void): Promise<FoundRow[]> {
    const rowsOnDisk = Math.floor((await this.files.size(this.rowsPath)) / this.rowLength);
    const present = found.filter(({ row }) => row < rowsOnDisk);
    const lost = found.length - present.length;
    if (lost > 0) onProblem(`${basename(this.rowsPath)}: ends early, ${lost} rows are gone; dropped`);
    return present;
  }
}
