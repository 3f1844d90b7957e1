// @ts-check
import * as ort from 'onnxruntime-node';
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

/** Sessions and states by number, and what can be asked of them. */
export class Sessions {
  /** @type {Map<number, ort.InferenceSession>} */
  sessions = new Map();
  /** @type {Map<number, State>} */
  states = new Map();

  /** @param {any} request @returns {Promise<Answer>} */
  async handle(request) {
    switch (request.kind) {
      case 'create':
        this.sessions.set(request.session, await ort.InferenceSession.create(request.model, request.options));
        return {};
      case 'run':
        return this.run(request.session, request.inputs, request.outputs);
      case 'step':
        return this.step(request);
      case 'release':
        await this.sessions.get(request.session)?.release();
        this.sessions.delete(request.session);
        return {};
      case 'profile':
        this.session(request.session).endProfiling();
        return {};
      case 'write-state':
        this.states.set(request.state, new State(request.tensors));
        return {};
      case 'read-state':
        return { value: this.state(request.state).read() };
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

  /** Runs a session from the state's front buffers into its back buffers, and turns them when it has succeeded. */
  async step({ session, state: number, inputs, outputs }) {
    const state = this.state(number);
    const feeds = { ...feedsOf(inputs), ...state.feeds(this.session(session).inputNames) };
    const fetches = {
      ...state.fetches(),
      ...Object.fromEntries(outputs.map((/** @type {string} */ name) => [name, null])),
    };
    const results = await this.session(session).run(feeds, fetches);
    state.turn();
    return answer(results, outputs);
  }

  async close() {
    for (const session of this.sessions.values()) await session.release();
    this.sessions.clear();
    this.states.clear();
    return {};
  }
}
