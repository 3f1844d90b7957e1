import { CheckpointError, hostTensor, sizeOf, type HostTensor } from '@drf/tensor';

/** Number format and shape of a tensor in a file, and where its bytes are, from the start of the data. */
export interface SafetensorsEntry {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: { readonly [name: string]: string };
  /** Where the data begins, from the start of the file. */
  readonly dataStart: number;
}

/** Bytes of the header's length, with which a file begins. */
export const LENGTH_BYTES = 8;
/** Longest header that is read; the reference implementation's limit. */
const MAXIMUM_HEADER_BYTES = 100_000_000;

/**
 * Length of the JSON header, from a file's first bytes.
 * @param fileBytes length of the whole file
 * @throws CheckpointError when it does not fit into the file
 */
export function headerLength(start: Buffer, fileBytes: number, subject: string): number {
  if (start.length < LENGTH_BYTES) throw refuse(subject, 'a safetensors header', `${start.length} bytes`);
  const length = start.readBigUInt64LE(0);
  const most = Math.min(MAXIMUM_HEADER_BYTES, fileBytes - LENGTH_BYTES);
  if (length > BigInt(most)) throw refuse(subject, `a header of at most ${most} bytes`, `a header length of ${length}`);
  return Number(length);
}

/** @throws CheckpointError naming what is wrong: no JSON, an unknown number format, offsets that overlap or leave holes */
export function parseHeader(json: Buffer, fileBytes: number, subject: string): SafetensorsHeader {
  let header: unknown;
  try {
    header = JSON.parse(json.toString('utf8'));
  } catch (error) {
    throw refuse(subject, 'a JSON header', (error as Error).message);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw refuse(subject, 'a header that is an object', JSON.stringify(header));
  }
  const { __metadata__: metadata = {}, ...rest } = header as Record<string, unknown>;
  const entries = new Map(Object.entries(rest).map(([name, value]) => [name, checkEntry(name, value, subject)]));
  const dataStart = LENGTH_BYTES + json.length;
  checkOffsets(entries, fileBytes - dataStart, subject);
  return { entries, metadata: checkMetadata(metadata, subject), dataStart };
}

function checkMetadata(value: unknown, subject: string): { [name: string]: string } {
  const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (isRecord && Object.values(value).every((text) => typeof text === 'string')) {
    return value as { [name: string]: string };
  }
  throw refuse(subject, '__metadata__ that maps names to texts', JSON.stringify(value).slice(0, 100));
}

function isCount(size: unknown): boolean {
  return Number.isSafeInteger(size) && (size as number) >= 0;
}

function checkEntry(name: string, value: unknown, subject: string): SafetensorsEntry {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  if (!Array.isArray(shape) || !shape.every(isCount) || !Array.isArray(offsets) || offsets.length !== 2) {
    throw refuse(subject, `shape and offsets of "${name}"`, JSON.stringify(value).slice(0, 100));
  }
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPE_BYTES, dtype)) {
    throw refuse(subject, `a known dtype for "${name}"`, String(dtype));
  }
  const [begin, end] = offsets as [number, number];
  const bytes = sizeOf(shape as number[]) * DTYPE_BYTES[dtype as SafetensorsDtype];
  if (!isCount(begin) || !isCount(end) || end - begin !== bytes) {
    throw refuse(subject, `${bytes} bytes for "${name}"`, `offsets ${begin} to ${end}`);
  }
  return { dtype: dtype as SafetensorsDtype, shape: shape as number[], begin, end };
}

/** Tensors must fill the data end to end: no hole, no overlap, nothing missing, nothing left over. */
function checkOffsets(entries: ReadonlyMap<string, SafetensorsEntry>, dataBytes: number, subject: string): void {
  const byOffset = [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let position = 0;
  for (const [name, { begin, end }] of byOffset) {
    if (begin !== position) throw refuse(subject, `"${name}" at offset ${position}`, `offset ${begin}`);
    position = end;
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

/** Bytes a number, of every number format that safetensors files may have. */
export const DTYPE_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
} as const;
export type SafetensorsDtype = keyof typeof DTYPE_BYTES;

/** The value of each of the 65,536 half-precision numbers (IEEE 754 binary16). */
let halves: Float32Array | undefined;

function halfValue(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = (bits & 0x3ff) / 1024;
  if (exponent === 0) return sign * 2 ** -14 * fraction;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * 2 ** (exponent - 15) * (1 + fraction);
}

function fromHalf(bits: Uint16Array): Float32Array {
  halves ??= Float32Array.from({ length: 65_536 }, (_, each) => halfValue(each));
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) values[i] = halves[bits[i] as number] as number;
  return values;
}

/** bfloat16 is the upper half of float32. */
function fromBfloat16(bits: Uint16Array): Float32Array {
  const values = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) values[i] = (bits[i] as number) << 16;
  return new Float32Array(values.buffer);
}

/** @throws the failure for a number beyond 32 bits */
function fromInt64(numbers: BigInt64Array, failure: (number: bigint) => Error): Int32Array {
  return Int32Array.from({ length: numbers.length }, (_, i) => {
    const number = numbers[i] as bigint;
    if (BigInt.asIntN(32, number) !== number) throw failure(number);
    return Number(number);
  });
}

/**
 * A tensor out of its bytes: F32, F16 and BF16 as float32, BOOL, U8, I32 and I64 as int32, all without loss.
 * @param bytes little-endian, from the start of a buffer that becomes the tensor's
 * @throws CheckpointError for another number format, or a whole number beyond 32 bits
 */
export function tensorOf(
  name: string,
  dtype: SafetensorsDtype,
  shape: readonly number[],
  bytes: ArrayBuffer,
  subject: string,
): HostTensor {
  const beyond = (number: bigint): Error =>
    new CheckpointError({ subject, expected: `32-bit numbers in "${name}"`, received: String(number) });
  const count = sizeOf(shape);
  if (dtype === 'F32') return hostTensor(new Float32Array(bytes, 0, count), shape);
  if (dtype === 'I32') return hostTensor(new Int32Array(bytes, 0, count), shape);
  if (dtype === 'BOOL' || dtype === 'U8') return hostTensor(Int32Array.from(new Uint8Array(bytes, 0, count)), shape);
  if (dtype === 'F16') return hostTensor(fromHalf(new Uint16Array(bytes, 0, count)), shape);
  if (dtype === 'BF16') return hostTensor(fromBfloat16(new Uint16Array(bytes, 0, count)), shape);
  if (dtype === 'I64') return hostTensor(fromInt64(new BigInt64Array(bytes, 0, count), beyond), shape);
  throw new CheckpointError({
    subject,
    expected: `dtype F32, F16, BF16, BOOL, U8, I32 or I64 for "${name}"`,
    received: dtype,
    remedy: 'convert the tensor to one of these and save the file again',
  });
}
