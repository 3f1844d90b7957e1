/** Half precision (IEEE 754 binary16): 11 significant bits, largest number 65,504. Node below 24 has no array of it. */

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** The bits of the nearest half-precision number, ties to even; infinity beyond 65,504. */
export function toFloat16Bits(value: number): number {
  scratch[0] = value;
  const bits = scratchBits[0] as number;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // rounds to 65,536 and more
  if (magnitude >= 0x38800000) {
    // normal: 13 bits of the significand go, the exponent's bias falls from 127 to 15
    const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
    return sign | ((rounded - 0x38000000) >>> 13);
  }
  if (magnitude < 0x33000000) return sign; // half of the smallest or less, but for the tie, which is even at 0
  const shift = 126 - (magnitude >>> 23);
  const significand = (magnitude & 0x7fffff) | 0x800000;
  const kept = significand >>> shift;
  const rest = significand & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0));
}

function fromFloat16Bits(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

let table: Float32Array | undefined;

/** All 65,536 half-precision numbers by their bits. */
export function float16Table(): Float32Array {
  table ??= Float32Array.from({ length: 0x10000 }, (_, bits) => fromFloat16Bits(bits));
  return table;
}

/** Float32 to half precision (IEEE 754 binary16, as bits), rounded to the nearest. */
export function encodeFloat16(values: Float32Array): Uint16Array {
  const result = new Uint16Array(values.length); // `from` with a function gathers all values in an array of their own first
  for (let i = 0; i < values.length; i++) result[i] = toFloat16Bits(values[i] as number);
  return result;
}

/** Half precision (IEEE 754 binary16, as bits) to float32, exactly. */
export function decodeFloat16(bits: Uint16Array): Float32Array {
  const numbers = float16Table();
  const result = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) result[i] = numbers[bits[i] as number] as number;
  return result;
}
