import { CheckpointError, hostTensor, sizeOf, type HostTensor } from '@drf/tensor';

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
 * A tensor out of its bytes: F32, F16 and BF16 as float32, I32 and I64 as int32, all without loss.
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
  if (dtype === 'F16') return hostTensor(fromHalf(new Uint16Array(bytes, 0, count)), shape);
  if (dtype === 'BF16') return hostTensor(fromBfloat16(new Uint16Array(bytes, 0, count)), shape);
  if (dtype === 'I64') return hostTensor(fromInt64(new BigInt64Array(bytes, 0, count), beyond), shape);
  throw new CheckpointError({
    subject,
    expected: `dtype F32, F16, BF16, I32 or I64 for "${name}"`,
    received: dtype,
    remedy: 'convert the tensor to one of these and save the file again',
  });
}
