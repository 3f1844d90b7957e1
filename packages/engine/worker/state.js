// @ts-check
import * as ort from 'onnxruntime-node';

/** @typedef {import('./sessions.js').NamedTensor} NamedTensor */

/** @param {NamedTensor} tensor */
function blank({ data }) {
  return data instanceof Float32Array ? new Float32Array(data.length) : new Int32Array(data.length);
}

/**
 * A step's state: each tensor has two buffers that are used in turn, one read and one written by the session, so that
 * nothing is allocated from step to step and a step that fails leaves the state as it was.
 */
export class State {
  /** @param {NamedTensor[]} tensors */
  constructor(tensors) {
    this.names = tensors.map(({ name }) => name);
    this.front = tensors.map(({ dtype, data, shape }) => new ort.Tensor(dtype, /** @type {any} */ (data), shape));
    this.back = tensors.map((tensor) => new ort.Tensor(tensor.dtype, /** @type {any} */ (blank(tensor)), tensor.shape));
  }

  /** @param {readonly string[]} wanted */
  feeds(wanted) {
    return this.byName(this.front, (name) => `state.${name}`, wanted);
  }

  fetches() {
    return this.byName(this.back, (name) => `next.${name}`);
  }

  turn() {
    [this.front, this.back] = [this.back, this.front];
  }

  /** Copies, which the caller may keep. */
  read() {
    return this.front.map(({ dims, type, data }, i) => ({
      name: this.names[i],
      shape: [...dims],
      dtype: type,
      data: /** @type {Float32Array} */ (data).slice(),
    }));
  }

  /** @param {ort.Tensor[]} tensors @param {(name: string) => string} rename @param {readonly string[]} [wanted] */
  byName(tensors, rename, wanted) {
    const named = tensors.map(
      (tensor, i) => /** @type {const} */ ([rename(/** @type {string} */ (this.names[i])), tensor]),
    );
    return Object.fromEntries(wanted === undefined ? named : named.filter(([name]) => wanted.includes(name)));
  }
}
