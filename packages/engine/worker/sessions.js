// @ts-check
import * as ort from 'onnxruntime-node';
import { Loops } from './loops.js';
import { State } from './state.js';

/**
 * @typedef {Float32Array | Int32Array} Numbers
 * @typedef {{ name: string, shape: number[], dtype: 'float32' | 'int32', data: Numbers }} NamedTensor
 * @typedef {{ value?: unknown, transfer?: ArrayBuffer[] }} Answer
 */

/** @param {NamedTensor} tensor */
function toOrt({ dtype, data, shape }) {
  return new ort.Tensor(dtype, /** @type {any} */ (data), shape);
}

/** @param {NamedTensor[]} tensors */
function feedsOf(tensors) {
  return Object.fromEntries(tensors.map((tensor) => [tensor.name, toOrt(tensor)]));
}

/** @param {Record<string, ort.Tensor>} results @param {string[]} names @returns {Answer} */
function answer(results, names) {
  const outputs = names.map((name) => {
    const { dims, type, data } = /** @type {ort.Tensor} */ (results[name]);
    return { name, shape: [...dims], dtype: type, data: /** @type {Numbers} */ (data) };
  });
  return { value: outputs, transfer: outputs.map(({ data }) => /** @type {ArrayBuffer} */ (data.buffer)) };
}

/** The session makes the arrays for these outputs. @param {string[]} names */
function chosenBySession(names) {
  return Object.fromEntries(names.map((name) => [name, null]));
}

/** Sessions and states by number, and what can be asked of them. */
export class Sessions {
  /** @type {Map<number, ort.InferenceSession>} */
  sessions = new Map();
  /** @type {Map<number, State>} */
  states = new Map();
  /** @type {Map<number, import('./loops.js').Plan>} */
  plans = new Map();
  /** @type {Map<number, Loops>} */
  loops = new Map();

  /** @param {any} request @returns {Promise<Answer>} */
  async handle(request) {
    switch (request.kind) {
      case 'create':
        this.sessions.set(request.session, await ort.InferenceSession.create(request.model, request.options));
        if (request.plan !== undefined) this.plans.set(request.session, request.plan);
        return {};
      case 'run':
        return this.run(request.session, request.inputs, request.outputs);
      case 'step':
        return this.step(request);
      case 'release':
        await this.sessions.get(request.session)?.release();
        for (const map of [this.sessions, this.plans, this.loops]) map.delete(request.session);
        return {};
      case 'profile':
        this.session(request.session).endProfiling();
        return {};
      case 'make-state':
        this.states.set(request.state, new State(request.leaves, request.smallest, request.memoryBytes));
        return {};
      case 'write-leaf':
        this.state(request.state).numbers(request.name).set(request.data, request.offset);
        return {};
      case 'read-leaf': {
        const { name, offset, end } = request;
        const data = this.state(request.state).numbers(name).slice(offset, end);
        return { value: data, transfer: [/** @type {ArrayBuffer} */ (data.buffer)] };
      }
      case 'drop-state':
        this.states.delete(request.state);
        return {};
      case 'memory':
        return { value: process.memoryUsage().rss };
      case 'close':
        return this.close();
      default:
        throw new TypeError(`unknown request "${request.kind}"`);
    }
  }

  /** @param {number} number */
  session(number) {
    const session = this.sessions.get(number);
    if (session === undefined) throw new Error(`no session ${number}`);
    return session;
  }

  /** @param {number} number */
  state(number) {
    const state = this.states.get(number);
    if (state === undefined) throw new Error(`no state ${number}`);
    return state;
  }

  /** @param {number} number @param {NamedTensor[]} inputs @param {string[]} outputs */
  async run(number, inputs, outputs) {
    return answer(await this.session(number).run(feedsOf(inputs), outputs), outputs);
  }

  /**
   * Runs a session on the state, then the loops that finish the step.
   * @param {any} request
   */
  async step({ session: number, state: stateNumber, inputs, outputs }) {
    const session = this.session(number);
    const state = this.state(stateNumber);
    const loops = this.loopsOf(number, state);
    const feeds = { ...feedsOf(inputs), ...state.feeds(session.inputNames) };
    const fetches = { ...state.fetches(session.outputNames), ...loops?.fetches(), ...chosenBySession(outputs) };
    const results = await session.run(feeds, /** @type {any} */ (fetches));
    state.turn(results);
    loops?.run(results);
    return answer(results, outputs);
  }

  /** @param {number} number @param {State} state */
  loopsOf(number, state) {
    const plan = this.plans.get(number);
    if (plan === undefined) return undefined;
    let loops = this.loops.get(number);
    // another plan may have moved the state's arrays
    if (!loops?.fits(state)) this.loops.set(number, (loops = new Loops(plan, state)));
    return loops;
  }

  async close() {
    for (const session of this.sessions.values()) await session.release();
    this.sessions.clear();
    for (const map of [this.states, this.plans, this.loops]) map.clear();
    return {};
  }
}
