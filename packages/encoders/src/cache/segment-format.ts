import { createHash } from 'node:crypto';
import { decodeFloat16, encodeFloat16 } from './float16.js';

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
export const SEGMENT_MAGIC = 'DRFFEAT1';
export const ENTRY_BYTES = 48;
const DIGEST_BYTES = 32;
const CHECKSUM_BYTES = 8;
/** Magic, length of the description, description, checksum. */
const PREFIX_BYTES = SEGMENT_MAGIC.length + 4;
export const MAXIMUM_HEADER_BYTES = 64 * 1024;

/** What decides whether a segment's rows may be used. */
export interface SegmentDescription {
  readonly encoder: string;
  readonly outputDim: number;
  /** How numbers are stored; float32 when left out. Float16 keeps 11 significant bits. */
  readonly storage?: Storage;
}

export type Storage = 'float32' | 'float16';

export interface SegmentEntry {
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

export function encodeHeader(description: SegmentDescription): Buffer {
  const { encoder, outputDim, storage } = description;
  const text = Buffer.from(JSON.stringify({ encoder, outputDim, ...(storage === 'float16' ? { storage } : {}) }));
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.write(SEGMENT_MAGIC, 'latin1');
  prefix.writeUInt32LE(text.length, SEGMENT_MAGIC.length);
  return Buffer.concat([prefix, text, checksum(prefix, text)]);
}

/** Why a header cannot be used: it ends early (which a crash can cause), or it is not one of ours. */
export type HeaderFault = 'incomplete' | 'foreign';

/** Reads a header off the start of a file. */
export function decodeHeader(
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

export function encodeEntry(entry: SegmentEntry): Buffer {
  const body = Buffer.concat([Buffer.from(entry.digest, 'latin1'), entry.rowChecksum]);
  return Buffer.concat([body, checksum(body)]);
}

/** `undefined` when the entry's own checksum does not fit. */
export function decodeEntry(bytes: Buffer, offset: number): SegmentEntry | undefined {
  const body = bytes.subarray(offset, offset + DIGEST_BYTES + CHECKSUM_BYTES);
  if (!checksum(body).equals(bytes.subarray(offset + body.length, offset + ENTRY_BYTES))) return undefined;
  return { digest: body.toString('latin1', 0, DIGEST_BYTES), rowChecksum: Buffer.from(body.subarray(DIGEST_BYTES)) };
}

/** How many bytes a row takes. */
export function rowLength({ outputDim, storage }: SegmentDescription): number {
  return outputDim * (storage === 'float16' ? 2 : 4);
}

/** A row's bytes, little-endian as on every machine that Node runs on. */
export function rowBytes(row: Float32Array, storage: Storage = 'float32'): Buffer {
  const stored = storage === 'float16' ? encodeFloat16(row) : row;
  return Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
}

/** The row that {@link rowBytes} was given, rounded to what was stored. */
export function rowOf(bytes: Buffer, { storage }: SegmentDescription): Float32Array {
  const copy = new Uint8Array(bytes).buffer; // aligned, and not a view of what was read around it
  return storage === 'float16' ? decodeFloat16(new Uint16Array(copy)) : new Float32Array(copy);
}
