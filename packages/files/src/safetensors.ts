import { CheckpointError, hostTensor, sizeOf, type HostTensor } from '@drf/tensor';
import { readBounded } from './read.js';
import { writeFileAtomic } from './atomic.js';

/** Tensors by flat name, and texts about them. */
export interface SafetensorsContent {
  readonly tensors: ReadonlyMap<string, HostTensor>;
  readonly metadata: { readonly [name: string]: string };
}

const DTYPES = { F32: 4, I32: 4 } as const;
type Dtype = keyof typeof DTYPES;

interface Entry {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** Longest header that is read; the reference implementation's limit. */
const MAXIMUM_HEADER_BYTES = 100_000_000;

/**
 * The safetensors format: 8 bytes of header length (little-endian), a JSON header with dtype, shape and offsets of
 * each tensor, then the tensors' bytes, end to end. Any tool that reads safetensors reads these files.
 */
export function encodeSafetensors(content: SafetensorsContent): Uint8Array {
  const header: Record<string, unknown> = {};
  if (Object.keys(content.metadata).length > 0) header.__metadata__ = content.metadata;
  let offset = 0;
  for (const [name, { shape, dtype, data }] of content.tensors) {
    header[name] = {
      dtype: dtype === 'float32' ? 'F32' : 'I32',
      shape,
      data_offsets: [offset, offset + data.byteLength],
    };
    offset += data.byteLength;
  }
  const json = Buffer.from(JSON.stringify(header), 'utf8');
  const headerBytes = Math.ceil(json.length / 8) * 8; // padded with spaces so that the data is aligned
  const bytes = Buffer.alloc(8 + headerBytes + offset, 0x20);
  bytes.writeBigUInt64LE(BigInt(headerBytes), 0);
  json.copy(bytes, 8);
  let position = 8 + headerBytes;
  for (const { data } of content.tensors.values()) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), position);
    position += data.byteLength;
  }
  return bytes;
}

/** @throws CheckpointError naming the file and what is wrong: truncated, bad header, overlap, unknown dtype. */
export function decodeSafetensors(bytes: Uint8Array, subject: string): SafetensorsContent {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < 8) throw refuse(subject, 'a safetensors header', `${buffer.length} bytes`);
  const headerBytes = buffer.readBigUInt64LE(0);
  if (headerBytes > BigInt(MAXIMUM_HEADER_BYTES) || headerBytes > BigInt(buffer.length - 8)) {
    throw refuse(subject, `a header of at most ${buffer.length - 8} bytes`, `a header length of ${headerBytes}`);
  }
  const dataStart = 8 + Number(headerBytes);
  const { entries, metadata } = parseHeader(buffer.subarray(8, dataStart).toString('utf8'), subject);
  checkOffsets(entries, buffer.length - dataStart, subject);
  const tensors = new Map<string, HostTensor>();
  for (const [name, entry] of entries) {
    const [begin, end] = entry.data_offsets;
    const copy = new Uint8Array(buffer.subarray(dataStart + begin, dataStart + end)).buffer;
    tensors.set(name, hostTensor(entry.dtype === 'F32' ? new Float32Array(copy) : new Int32Array(copy), entry.shape));
  }
  return { tensors, metadata };
}

function parseHeader(
  text: string,
  subject: string,
): { entries: Map<string, Entry>; metadata: { [name: string]: string } } {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (error) {
    throw refuse(subject, 'a JSON header', (error as Error).message);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw refuse(subject, 'a header that is an object', JSON.stringify(header));
  }
  const { __metadata__: metadata = {}, ...rest } = header as Record<string, unknown>;
  const entries = new Map(Object.entries(rest).map(([name, value]) => [name, checkEntry(name, value, subject)]));
  return { entries, metadata: checkMetadata(metadata, subject) };
}

function checkMetadata(value: unknown, subject: string): { [name: string]: string } {
  const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (isRecord && Object.values(value).every((text) => typeof text === 'string')) {
    return value as { [name: string]: string };
  }
  throw refuse(subject, '__metadata__ that maps names to texts', JSON.stringify(value).slice(0, 100));
}

function checkEntry(name: string, value: unknown, subject: string): Entry {
  const entry = value as Partial<Entry> | null;
  const isCount = (size: unknown): boolean => Number.isSafeInteger(size) && (size as number) >= 0;
  const { dtype, shape, data_offsets: offsets } = entry ?? {};
  if (!Array.isArray(shape) || !shape.every(isCount) || !Array.isArray(offsets) || offsets.length !== 2) {
    throw refuse(subject, `shape and offsets of "${name}"`, JSON.stringify(value).slice(0, 100));
  }
  if (dtype === undefined || !Object.hasOwn(DTYPES, dtype)) {
    throw refuse(subject, `dtype ${Object.keys(DTYPES).join(' or ')} for "${name}"`, String(dtype));
  }
  const [begin, end] = offsets as [number, number];
  if (!isCount(begin) || !isCount(end) || end - begin !== sizeOf(shape) * DTYPES[dtype]) {
    throw refuse(subject, `${sizeOf(shape) * DTYPES[dtype]} bytes for "${name}"`, `offsets ${begin} to ${end}`);
  }
  return { dtype, shape, data_offsets: [begin, end] };
}

/** Tensors must fill the data end to end: no hole, no overlap, nothing missing, nothing left over. */
function checkOffsets(entries: ReadonlyMap<string, Entry>, dataBytes: number, subject: string): void {
  const byOffset = [...entries].sort(
    ([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1],
  );
  let position = 0;
  for (const [name, { data_offsets: offsets }] of byOffset) {
    if (offsets[0] !== position) throw refuse(subject, `"${name}" at offset ${position}`, `offset ${offsets[0]}`);
    position = offsets[1];
  }
  if (position !== dataBytes) throw refuse(subject, `${position} bytes of data`, `${dataBytes} bytes`);
}

function refuse(subject: string, expected: string, received: string): CheckpointError {
  return new CheckpointError({
    subject,
    expected,
    received,
    remedy: 'the file is truncated, damaged or not safetensors; use another copy',
  });
}

/** Writes the whole file or nothing. */
export async function writeSafetensors(path: string, content: SafetensorsContent): Promise<void> {
  await writeFileAtomic(path, encodeSafetensors(content));
}

/** @throws CheckpointError when the file is damaged; DataError when it is missing or larger than 16 GiB. */
export async function readSafetensors(path: string): Promise<SafetensorsContent> {
  return decodeSafetensors(await readBounded(path, 16 * 1024 ** 3), path);
}
