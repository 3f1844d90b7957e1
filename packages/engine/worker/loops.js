// @ts-check
import * as ort from 'onnxruntime-node';

/**
 * @typedef {import('./state.js').State} State
 * @typedef {import('./memories.js').Place} Place
 * @typedef {{ function: string, size: number, arrays: string[], scalars: string[] }} Call
 * @typedef {{ module: Uint8Array, calls: Call[], scratch: [string, number[]][], scalars: string[] }} Plan
 * @typedef {(...numbers: number[]) => void} Loop
 */

const STATE = 'state.';

/** Names of state in a call, without their prefix. @param {Call} call */
function stateOf({ arrays }) {
  return arrays.filter((name) => name.startsWith(STATE)).map((name) => name.slice(STATE.length));
}

/** The loops that turn a session's results into the next state, in the state's own memories. */
export class Loops {
  /** @param {Plan} plan @param {State} state */
  constructor(plan, state) {
    this.plan = plan;
    this.state = state;
    for (const call of plan.calls) state.together(stateOf(call));
    this.version = state.version;
    const shapes = new Map(plan.scratch);
    const scratch = plan.calls.flatMap((call) => {
      const { memory } = /** @type {Place} */ (state.large.get(/** @type {string} */ (stateOf(call)[0])));
      const own = call.arrays.filter((name) => !name.startsWith(STATE));
      return own.map((name) => /** @type {const} */ ([name, /** @type {number[]} */ (shapes.get(name)), memory]));
    });
    this.places = state.memories.scratch(scratch);
    const module = new WebAssembly.Module(/** @type {BufferSource} */ (plan.module));
    /** One instance a memory. */
    this.instances = state.memories.all.map(({ memory }) => new WebAssembly.Instance(module, { env: { memory } }));
  }

  /** Whether the places of the arrays are what they were. @param {State} state */
  fits(state) {
    return this.state === state && this.version === state.version;
  }

  /** Where the session writes what the loops read. */
  fetches() {
    /** @type {Record<string, ort.Tensor | null>} */
    const fetches = {};
    for (const [name, place] of this.places)
      fetches[name] = new ort.Tensor('float32', this.state.memories.view(place), place.shape);
    for (const name of this.plan.scalars) fetches[name] = null;
    return fetches;
  }

  /** @param {Record<string, ort.Tensor>} results the session's */
  run(results) {
    for (const call of this.plan.calls) {
      const places = call.arrays.map((name) => this.place(name));
      const exported = /** @type {WebAssembly.Instance} */ (this.instances[places[0]?.memory ?? 0]).exports;
      const scalars = call.scalars.map((name) => Number(/** @type {ort.Tensor} */ (results[name]).data[0]));
      const run = /** @type {Loop} */ (exported[call.function]);
      run(Math.ceil(call.size / 4) * 16, ...places.map(({ offset }) => offset), ...scalars);
    }
  }

  /** @param {string} name @returns {Place} */
  place(name) {
    const place = name.startsWith(STATE) ? this.state.large.get(name.slice(STATE.length)) : this.places.get(name);
    if (place === undefined) throw new Error(`no array "${name}"`);
    return place;
  }
}
