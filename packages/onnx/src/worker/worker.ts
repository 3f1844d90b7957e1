// Runs ONNX Runtime's sessions in a worker thread, so that the caller's event loop stays free while they compute.
import { parentPort } from 'node:worker_threads';
import * as ort from 'onnxruntime-node';
import type { HostTensor } from '@drf/tensor';
import { Loops } from './loops.js';
import type { Answer, Message, NamedTensor, Reply, Request, StepPlan } from './protocol.js';
import { State, toOrt } from './state.js';

interface Running {
  readonly session: ort.InferenceSession;
  readonly plan: StepPlan | undefined;
  loops?: Loops;
}

const sessions = new Map<number, Running>();
const states = new Map<number, State>();

function known<T>(all: ReadonlyMap<number, T>, kind: string, number: number): T {
  const found = all.get(number);
  if (found === undefined) throw new Error(`no ${kind} ${number}`);
  return found;
}

function feedsOf(tensors: readonly NamedTensor[]): Record<string, ort.Tensor> {
  return Object.fromEntries(tensors.map((tensor) => [tensor.name, toOrt(tensor)]));
}

function outputsOf(results: ort.InferenceSession.OnnxValueMapType, names: readonly string[]): HostTensor[] {
  return names.map((name) => {
    const { dims, data, type } = results[name] as ort.Tensor;
    const shape = [...dims];
    if (data instanceof Float32Array) return { shape, dtype: 'float32', data };
    if (data instanceof Int32Array) return { shape, dtype: 'int32', data };
    throw new Error(`output "${name}" holds ${type}; float32 and int32 can be handed over`);
  });
}

async function release(number: number): Promise<void> {
  const running = sessions.get(number);
  sessions.delete(number);
  await running?.session.release();
}

interface Answered {
  readonly answer: Answer;
  /** What is left to do once the answer is on its way. */
  readonly afterwards?: () => void;
}

/** Runs a session on the state. The loops that finish the step run while the caller prepares the next one. */
async function step({ session, state, inputs, outputs }: Extract<Request, { kind: 'step' }>): Promise<Answered> {
  const running = known(sessions, 'session', session);
  const own = known(states, 'state', state);
  const { reads = [], writes = [], loops } = running.plan ?? {};
  // another session's loops may have moved the state's arrays
  if (loops !== undefined && running.loops?.fits(own) !== true) running.loops = new Loops(loops, own);
  const fetches = Object.fromEntries(outputs.map((name) => [name, null])); // the session makes the arrays for these
  const results = await running.session.run(
    { ...feedsOf(inputs), ...own.feeds(reads) },
    { ...own.fetches(writes), ...running.loops?.fetches(), ...fetches },
  );
  own.turn(writes, results);
  return { answer: outputsOf(results, outputs), afterwards: () => running.loops?.run(results) };
}

async function answer(request: Exclude<Request, { kind: 'step' }>): Promise<Answer> {
  switch (request.kind) {
    case 'create': {
      const { session: number, model, options, plan } = request;
      sessions.set(number, { session: await ort.InferenceSession.create(model, options), plan });
      return undefined;
    }
    case 'run': {
      const { session } = known(sessions, 'session', request.session);
      return outputsOf(await session.run(feedsOf(request.inputs), request.outputs), request.outputs);
    }
    case 'release':
      await release(request.session);
      return undefined;
    case 'make-state':
      states.set(request.state, new State(request.leaves, request.smallest, request.memoryBytes));
      return undefined;
    case 'write-leaf':
      known(states, 'state', request.state).numbers(request.name).set(request.data, request.offset);
      return undefined;
    case 'read-leaf':
      return known(states, 'state', request.state).numbers(request.name).slice(request.offset, request.end);
    case 'add-leaf':
      known(states, 'state', request.state).add(request.name, request);
      return undefined;
    case 'drop-state':
      states.delete(request.state);
      return undefined;
    case 'close':
      for (const number of [...sessions.keys()]) await release(number);
      states.clear();
      return undefined;
  }
}

/** The answer's arrays, which go over to the caller without a copy. */
function buffersOf(given: Answer): ArrayBuffer[] {
  if (given === undefined) return [];
  const arrays = ArrayBuffer.isView(given) ? [given] : given.map(({ data }) => data);
  return arrays.map(({ buffer }) => buffer as ArrayBuffer);
}

if (parentPort === null) throw new Error('this file runs in a worker thread, which src/worker/client.ts starts');
const port = parentPort;
/** One request after the other: sessions share the thread and the state. */
let last = Promise.resolve();
port.on('message', (message: Message) => {
  const { id } = message;
  const reply = (said: Reply, transfer: readonly ArrayBuffer[]): void => port.postMessage(said, transfer);
  last = last.then(async () => {
    let afterwards: Answered['afterwards'];
    try {
      const given: Answered = message.kind === 'step' ? await step(message) : { answer: await answer(message) };
      reply({ id, answer: given.answer }, buffersOf(given.answer));
      afterwards = given.afterwards;
    } catch (error) {
      reply({ id, error: error instanceof Error ? error : new Error(String(error)) }, []);
    }
    afterwards?.(); // an error here ends the thread, so that no later request meets half a step
    if (message.kind === 'close') port.close();
  });
});
