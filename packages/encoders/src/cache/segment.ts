import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { CheckpointError } from '@drf/tensor';
import { decodeFloat16, encodeFloat16 } from './float16.js';

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
async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
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
async function writeAt(handle: FileHandle, position: number, bytes: Uint8Array): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, position + written);
    written += bytesWritten;
  }
}

/**
 * A segment is two files that one process appends to and everyone reads:
 *
 * - `segment-000001.index`: the header, then an entry a row: key digest (32 bytes), row checksum (8), and the checksum
 *   of those 40 bytes (8);
 * - `segment-000001.rows`: the rows, little-endian, `outputDim` numbers each, float32 unless the header says
 *   float16; row n belongs to entry n.
 *
 * Rows are written before their entries, and both carry checksums: whatever a crash leaves behind, an entry that does
 * not check out is not there, and a row that does not check out is found when it is read.
 */
const SEGMENT_MAGIC = 'DRFFEAT1';
const ENTRY_BYTES = 48;
const DIGEST_BYTES = 32;
const CHECKSUM_BYTES = 8;
/** Magic, length of the description, description, checksum. */
const PREFIX_BYTES = SEGMENT_MAGIC.length + 4;
const MAXIMUM_HEADER_BYTES = 64 * 1024;

/** What decides whether a segment's rows may be used. */
export interface SegmentDescription {
  readonly encoder: string;
  readonly outputDim: number;
  /** How numbers are stored; float32 when left out. Float16 keeps 11 significant bits. */
  readonly storage?: Storage;
}

type Storage = 'float32' | 'float16';

interface SegmentEntry {
  /** {@link keyDigest} of the row's key. */
  readonly digest: string;
  readonly rowChecksum: Buffer;
}

/** First 8 bytes of SHA-256. */
export function checksum(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest().subarray(0, CHECKSUM_BYTES);
}

/** A key's place in the index: SHA-256 of the key, as 32 one-byte characters (the shortest form for a Map). */
export function keyDigest(key: string): string {
  return createHash('sha256').update(key).digest().toString('latin1');
}

function encodeHeader(description: SegmentDescription): Buffer {
  const { encoder, outputDim, storage } = description;
  const text = Buffer.from(JSON.stringify({ encoder, outputDim, ...(storage === 'float16' ? { storage } : {}) }));
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.write(SEGMENT_MAGIC, 'latin1');
  prefix.writeUInt32LE(text.length, SEGMENT_MAGIC.length);
  return Buffer.concat([prefix, text, checksum(prefix, text)]);
}

/** Why a header cannot be used: it ends early (which a crash can cause), or it is not one of ours. */
type HeaderFault = 'incomplete' | 'foreign';

/** Reads a header off the start of a file. */
function decodeHeader(
  bytes: Buffer,
): { readonly description: SegmentDescription; readonly length: number } | HeaderFault {
  const magic = bytes.toString('latin1', 0, SEGMENT_MAGIC.length);
  if (!SEGMENT_MAGIC.startsWith(magic)) return 'foreign';
  if (bytes.length < PREFIX_BYTES) return 'incomplete';
  const textEnd = PREFIX_BYTES + bytes.readUInt32LE(SEGMENT_MAGIC.length);
  const length = textEnd + CHECKSUM_BYTES;
  if (length > MAXIMUM_HEADER_BYTES) return 'foreign';
  if (bytes.length < length) return 'incomplete';
  if (!checksum(bytes.subarray(0, textEnd)).equals(bytes.subarray(textEnd, length))) return 'foreign';
  const description = JSON.parse(bytes.toString('utf8', PREFIX_BYTES, textEnd)) as SegmentDescription;
  return { description, length };
}

function encodeEntry(entry: SegmentEntry): Buffer {
  const body = Buffer.concat([Buffer.from(entry.digest, 'latin1'), entry.rowChecksum]);
  return Buffer.concat([body, checksum(body)]);
}

/** `undefined` when the entry's own checksum does not fit. */
function decodeEntry(bytes: Buffer, offset: number): SegmentEntry | undefined {
  const body = bytes.subarray(offset, offset + DIGEST_BYTES + CHECKSUM_BYTES);
  if (!checksum(body).equals(bytes.subarray(offset + body.length, offset + ENTRY_BYTES))) return undefined;
  return { digest: body.toString('latin1', 0, DIGEST_BYTES), rowChecksum: Buffer.from(body.subarray(DIGEST_BYTES)) };
}

/** How many bytes a row takes. */
export function rowLength({ outputDim, storage }: SegmentDescription): number {
  return outputDim * (storage === 'float16' ? 2 : 4);
}

/** A row's bytes, little-endian as on every machine that Node runs on. */
function rowBytes(row: Float32Array, storage: Storage = 'float32'): Buffer {
  const stored = storage === 'float16' ? encodeFloat16(row) : row;
  return Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
}

/** The row that {@link rowBytes} was given, rounded to what was stored. */
export function rowOf(bytes: Buffer, { storage }: SegmentDescription): Float32Array {
  const copy = new Uint8Array(bytes).buffer; // aligned, and not a view of what was read around it
  return storage === 'float16' ? decodeFloat16(new Uint16Array(copy)) : new Float32Array(copy);
}

/** Entries read at a time: 3 MB of index. */
const ENTRIES_PER_READ = 65_536;

/** A row that an index names: which row of the segment, and of which key. */
interface FoundRow {
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
      (header.description.storage ?? 'float32') === (storage ?? 'float32');
    if (!fits) {
      const other = header === 'foreign' ? undefined : header.description;
      throw new CheckpointError({
        subject: `Feature cache file ${this.indexPath}`,
        expected: `a segment of encoder "${encoder}" with ${outputDim} ${storage === 'float16' ? 'float16 ' : ''}values a row`,
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

const INDEX_NAME = /^segment-(\d{6,})\.index$/;

/** Index files of a folder's segments in the order of their numbers: later ones overrule earlier ones. */
export function segmentNames(names: readonly string[]): string[] {
  const numbered = names.flatMap((name) => {
    const digits = INDEX_NAME.exec(name)?.[1];
    return digits === undefined ? [] : [{ name, number: Number(digits) }];
  });
  return numbered.sort((a, b) => a.number - b.number).map(({ name }) => name);
}

/** Values a row of the first segment in a folder that has a whole header; nothing where there is none. */
export async function storedWidth(folder: string, files: CacheFiles): Promise<number | undefined> {
  for (const name of segmentNames(await files.list(folder))) {
    const handle = await files.open(join(folder, name), 'r');
    try {
      const header = decodeHeader(await readAt(handle, 0, MAXIMUM_HEADER_BYTES));
      if (typeof header === 'object') return header.description.outputDim;
    } finally {
      await handle.close();
    }
  }
  return undefined;
}

export function rowsName(indexName: string): string {
  return indexName.replace(/\.index$/, '.rows');
}

/** Makes an empty index of the next free number; opening with `x` settles which of two processes gets it. */
export async function claimSegment(
  folder: string,
  files: CacheFiles,
): Promise<{ readonly path: string; readonly handle: FileHandle }> {
  await files.makeFolder(folder);
  const last = segmentNames(await files.list(folder)).at(-1) ?? '';
  for (let number = Number(INDEX_NAME.exec(last)?.[1] ?? 0) + 1; ; number++) {
    const path = join(folder, `segment-${String(number).padStart(6, '0')}.index`);
    const handle = await files.open(path, 'wx').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return undefined;
      throw error;
    });
    if (handle !== undefined) return { path, handle };
  }
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

  static async create(folder: string, description: SegmentDescription, files: CacheFiles): Promise<SegmentWriter> {
    const { path, handle } = await claimSegment(folder, files);
    return SegmentWriter.start(handle, path, description, files);
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
