// @ts-check
import * as ort from 'onnxruntime-node';
import { Memories, sizeOf } from './memories.js';

/**
 * @typedef {import('./memories.js').Place} Place
 * @typedef {{ name: string, shape: number[], dtype: 'float32' | 'int32' }} Leaf
 */

/** A name from its last part to its first. @param {string} name */
function backwards(name) {
  return name.split('.').reverse().join('.');
}

/**
 * A step's state. Large float tensors lie in WebAssembly memories, where loops overwrite them in place; the runtime
 * reads them there without a copy. The others have two buffers that are used in turn, one read and one written by the
 * session, so that nothing is allocated from step to step and a step that fails leaves the state as it was.
 */
export class State {
  /**
   * All zeros at first.
   * @param {Leaf[]} leaves
   * @param {number} smallest floats from this size on lie in memories
   * @param {number} memoryBytes of state in one memory
   */
  constructor(leaves, smallest, memoryBytes) {
    this.memories = new Memories(memoryBytes);
    /** @type {Map<string, Place>} */
    this.large = new Map();
    /** @type {Map<string, { front: ort.Tensor, back: ort.Tensor }>} */
    this.small = new Map();
    /** Grows when an array moves, which makes places of scratch void. */
    this.version = 0;
    /** @type {Leaf[]} */
    const large = [];
    for (const leaf of leaves) {
      const size = sizeOf(leaf.shape);
      if (leaf.dtype === 'float32' && size >= smallest) large.push(leaf);
      else this.small.set(leaf.name, { front: blank(leaf, size), back: blank(leaf, size) });
    }
    // a parameter and its moments have names that end alike; side by side they are likely to share a memory
    large.sort((a, b) => (backwards(a.name) < backwards(b.name) ? -1 : 1));
    for (const { name, shape } of large) {
      this.large.set(name, this.memories.put(shape, this.memories.withRoom(sizeOf(shape))));
    }
    this.memories.commit();
  }

  /** The numbers of a leaf as they lie here. @param {string} name @returns {Float32Array | Int32Array} */
  numbers(name) {
    const place = this.large.get(name);
    if (place !== undefined) return this.memories.view(place);
    return /** @type {any} */ (this.small.get(name)?.front.data);
  }

  /** Moves arrays into one memory unless they lie in one. @param {readonly string[]} names */
  together(names) {
    const places = names.map((name) => /** @type {Place} */ (this.large.get(name)));
    const home = places[0]?.memory;
    if (places.every(({ memory }) => memory === home)) return;
    const target = this.memories.withRoom(places.reduce((sum, { size }) => sum + size, 0));
    const moved = places.map(({ shape }) => this.memories.put(shape, target));
    this.memories.commit();
    names.forEach((name, i) => {
      const next = /** @type {Place} */ (moved[i]);
      this.memories.view(next).set(this.memories.view(/** @type {Place} */ (places[i])));
      this.large.set(name, next);
    });
    this.version++;
  }

  /** @param {readonly string[]} wanted */
  feeds(wanted) {
    const names = new Set(wanted);
    /** @type {Record<string, ort.Tensor>} */
    const feeds = {};
    for (const [name, place] of this.large) {
      if (names.has(`state.${name}`))
        feeds[`state.${name}`] = new ort.Tensor('float32', this.memories.view(place), place.shape);
    }
    for (const [name, { front }] of this.small) if (names.has(`state.${name}`)) feeds[`state.${name}`] = front;
    return feeds;
  }

  /** Where the session writes the small tensors; it makes its own arrays for large ones that no loop writes. */
  /** @param {readonly string[]} wanted */
  fetches(wanted) {
    const names = new Set(wanted);
    /** @type {Record<string, ort.Tensor | null>} */
    const fetches = {};
    for (const name of this.large.keys()) if (names.has(`next.${name}`)) fetches[`next.${name}`] = null;
    for (const [name, { back }] of this.small) if (names.has(`next.${name}`)) fetches[`next.${name}`] = back;
    return fetches;
  }

  /** The session has succeeded: what it wrote becomes the state; the rest stays as it is. @param {Record<string, ort.Tensor>} results */
  turn(results) {
    for (const [name, { front, back }] of this.small)
      if (results[`next.${name}`] !== undefined) this.small.set(name, { front: back, back: front });
    for (const name of this.large.keys()) {
      const written = results[`next.${name}`];
      if (written !== undefined) this.numbers(name).set(/** @type {Float32Array} */ (written.data));
    }
  }
}

/** @param {Leaf} leaf @param {number} size */
function blank({ dtype, shape }, size) {
  const data = dtype === 'float32' ? new Float32Array(size) : new Int32Array(size);
  return new ort.Tensor(dtype, /** @type {any} */ (data), shape);
}
