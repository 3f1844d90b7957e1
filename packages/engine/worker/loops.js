// @ts-check
import * as ort from 'onnxruntime-node';

/**
 * @typedef {import('./state.js').State} State
 * @typedef {{ offset: number, size: number, shape: readonly number[] }} Place
 * @typedef {{ function: string, size: number, arrays: string[], scalars: string[] }} Call
 * @typedef {{ module: Uint8Array, calls: Call[], scratch: [string, number[]][], scalars: string[] }} Plan
 */

/** The loops that turn a session's results into the next state, in the state's own memory. */
export class Loops {
  /** @param {Plan} plan @param {State} state */
  constructor(plan, state) {
    this.plan = plan;
    this.state = state;
    this.places = state.scratch(plan.scratch);
    const module = new WebAssembly.Module(/** @type {BufferSource} */ (plan.module));
    this.functions = new WebAssembly.Instance(module, { env: { memory: state.memory } }).exports;
  }

  /** Where the session writes what the loops read. */
  fetches() {
    /** @type {Record<string, ort.Tensor | null>} */
    const fetches = {};
    for (const [name, place] of this.places)
      fetches[name] = new ort.Tensor('float32', this.state.view(place), place.shape);
    for (const name of this.plan.scalars) fetches[name] = null;
    return fetches;
  }

  /** @param {Record<string, ort.Tensor>} results the session's */
  run(results) {
    for (const call of this.plan.calls) {
      const run = /** @type {(...numbers: number[]) => void} */ (this.functions[call.function]);
      const pointers = call.arrays.map((name) => this.place(name).offset);
      const scalars = call.scalars.map((name) => Number(/** @type {ort.Tensor} */ (results[name]).data[0]));
      run(Math.ceil(call.size / 4) * 16, ...pointers, ...scalars);
    }
  }

  /** @param {string} name @returns {Place} */
  place(name) {
    const place = name.startsWith('state.') ? this.state.large.get(name.slice('state.'.length)) : this.places.get(name);
    if (place === undefined) throw new Error(`no array "${name}"`);
    return place;
  }
}
