// @ts-check
import * as ort from 'onnxruntime-node';

/**
 * @typedef {import('./sessions.js').NamedTensor} NamedTensor
 * @typedef {{ shape: number[], dtype: 'float32' | 'int32', front: ArrayLike<number> | number, back: any }} Slot
 */

const PAGE = 65536;
const VECTOR = 16;

/** Bytes of so many floats, up to a whole vector. @param {number} size */
function padded(size) {
  return Math.ceil((size * 4) / VECTOR) * VECTOR;
}

/**
 * A step's state. Large float tensors lie in one WebAssembly memory, where loops overwrite them in place; the runtime
 * reads them there without a copy. The others have two buffers that are used in turn, one read and one written by the
 * session, so that nothing is allocated from step to step and a step that fails leaves the state as it was.
 */
export class State {
  /** @param {NamedTensor[]} tensors @param {number} smallest floats from this size on lie in the memory */
  constructor(tensors, smallest) {
    /** @type {Map<string, { shape: readonly number[], offset: number, size: number }>} */
    this.large = new Map();
    /** @type {Map<string, { front: ort.Tensor, back: ort.Tensor }>} */
    this.small = new Map();
    this.names = tensors.map(({ name }) => name);
    let end = 0;
    for (const { name, shape, data } of tensors) {
      if (!(data instanceof Float32Array) || data.length < smallest) continue;
      this.large.set(name, { shape, offset: end, size: data.length });
      end += padded(data.length);
    }
    this.scratchStart = end;
    this.memory = new WebAssembly.Memory({ initial: Math.ceil(end / PAGE) });
    for (const tensor of tensors) this.place(tensor);
  }

  /** @param {NamedTensor} tensor */
  place({ name, dtype, shape, data }) {
    const place = this.large.get(name);
    if (place !== undefined) return this.view(place).set(/** @type {Float32Array} */ (data));
    const blank = data instanceof Float32Array ? new Float32Array(data.length) : new Int32Array(data.length);
    const wrap = (/** @type {any} */ numbers) => new ort.Tensor(dtype, numbers, shape);
    this.small.set(name, { front: wrap(data), back: wrap(blank) });
  }

  /** @param {{ offset: number, size: number }} place */
  view({ offset, size }) {
    return new Float32Array(this.memory.buffer, offset, size);
  }

  /** Makes room behind the state for arrays between session and loops. @param {readonly (readonly [string, readonly number[]])[]} arrays */
  scratch(arrays) {
    let end = this.scratchStart;
    const places = new Map(
      arrays.map(([name, shape]) => {
        const size = shape.reduce((product, each) => product * each, 1);
        const place = { offset: end, size, shape };
        end += padded(size);
        return [name, place];
      }),
    );
    const missing = end - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / PAGE));
    return places;
  }

  /** @param {readonly string[]} wanted */
  feeds(wanted) {
    /** @type {Record<string, ort.Tensor>} */
    const feeds = {};
    for (const [name, place] of this.large)
      feeds[`state.${name}`] = new ort.Tensor('float32', this.view(place), place.shape);
    for (const [name, { front }] of this.small) feeds[`state.${name}`] = front;
    return Object.fromEntries(Object.entries(feeds).filter(([name]) => wanted.includes(name)));
  }

  /** Where the session writes the small tensors; it makes its own arrays for large ones that no loop writes. */
  /** @param {readonly string[]} wanted */
  fetches(wanted) {
    /** @type {Record<string, ort.Tensor | null>} */
    const fetches = {};
    for (const name of this.large.keys()) fetches[`next.${name}`] = null;
    for (const [name, { back }] of this.small) fetches[`next.${name}`] = back;
    return Object.fromEntries(Object.entries(fetches).filter(([name]) => wanted.includes(name)));
  }

  /** The session has succeeded: what it wrote becomes the state; the rest stays as it is. @param {Record<string, ort.Tensor>} results */
  turn(results) {
    for (const [name, { front, back }] of this.small) {
      if (`next.${name}` in results) this.small.set(name, { front: back, back: front });
    }
    for (const [name, place] of this.large) {
      const written = results[`next.${name}`];
      if (written !== undefined) this.view(place).set(/** @type {Float32Array} */ (written.data));
    }
  }

  /** Copies, which the caller may keep. */
  read() {
    return this.names.map((name) => {
      const place = this.large.get(name);
      if (place !== undefined) return { name, shape: place.shape, dtype: 'float32', data: this.view(place).slice() };
      const { dims, type, data } = /** @type {{ front: ort.Tensor }} */ (this.small.get(name)).front;
      return { name, shape: [...dims], dtype: type, data: /** @type {Float32Array} */ (data).slice() };
    });
  }
}
