// @ts-check

/** @typedef {{ memory: number, offset: number, size: number, shape: readonly number[] }} Place floats in a memory */

const PAGE = 65536;
const VECTOR = 16;
/** What WebAssembly addresses. */
const LARGEST = 2 ** 32;

/** @param {readonly number[]} shape */
export function sizeOf(shape) {
  return shape.reduce((product, each) => product * each, 1);
}

/** Bytes of so many floats, up to a whole vector. @param {number} size */
function padded(size) {
  return Math.ceil((size * 4) / VECTOR) * VECTOR;
}

/**
 * Arrays of floats in several WebAssembly memories, each of 4 GiB at most. A loop's arrays must lie in one of them.
 * A memory first holds arrays that stay, behind them whatever `scratch` was asked for last.
 */
export class Memories {
  /** @param {number} bytes of arrays that stay in one memory, unless a single one is larger */
  constructor(bytes) {
    this.bytes = bytes;
    /** @type {{ memory: WebAssembly.Memory, end: number }[]} */
    this.all = [];
  }

  /** The last memory if so many floats more fit in, else a new one. @param {number} size */
  withRoom(size) {
    const last = this.all.at(-1);
    const fits = last !== undefined && (last.end === 0 || last.end + padded(size) <= this.bytes);
    return fits ? this.all.length - 1 : this.all.push({ memory: new WebAssembly.Memory({ initial: 0 }), end: 0 }) - 1;
  }

  /** Takes room for an array that stays; `commit` makes it. @param {readonly number[]} shape @param {number} number @returns {Place} */
  put(shape, number) {
    const memory = /** @type {{ end: number }} */ (this.all[number]);
    const place = { memory: number, offset: memory.end, size: sizeOf(shape), shape };
    memory.end += padded(place.size);
    return place;
  }

  /** Grows the memories to what they hold. Views made before are void. */
  commit() {
    this.all.forEach(({ end }, number) => this.grow(number, end));
  }

  /** Makes room behind what stays. @param {readonly (readonly [name: string, shape: readonly number[], memory: number])[]} arrays */
  scratch(arrays) {
    const ends = this.all.map(({ end }) => end);
    /** @type {Map<string, Place>} */
    const places = new Map();
    for (const [name, shape, memory] of arrays) {
      const size = sizeOf(shape);
      const offset = /** @type {number} */ (ends[memory]);
      places.set(name, { memory, offset, size, shape });
      ends[memory] = offset + padded(size);
    }
    ends.forEach((end, number) => this.grow(number, end));
    return places;
  }

  /** @param {number} number @param {number} bytes */
  grow(number, bytes) {
    const memory = this.memory(number);
    const missing = bytes - memory.buffer.byteLength;
    if (bytes > LARGEST) throw new RangeError(`a step's arrays in one memory would take ${bytes} bytes of 4 GiB`);
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
  }

  /** @param {number} number */
  memory(number) {
    return /** @type {{ memory: WebAssembly.Memory }} */ (this.all[number]).memory;
  }

  /** @param {Place} place */
  view({ memory, offset, size }) {
    return new Float32Array(this.memory(memory).buffer, offset, size);
  }
}
