import * as tf from '@tensorflow/tfjs';
import {
  createRandom,
  flattenTree,
  hostTensor,
  type Host,
  type HostTensor,
  type HostTree,
  type PureStep,
} from '@drf/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCompiledEngine } from '../compiled/compiled-engine.js';
import { createEagerEngine } from '../eager/eager-engine.js';
import { trace } from '../trace/trace.js';
import { portName } from '../onnx/write.js';
import { partition } from './partition.js';

/** Large enough for loops, and no multiple of four. */
const SIZE = 4099;

type State = { readonly a: tf.Tensor; readonly b: tf.Tensor; readonly c: tf.Tensor };
type Inputs = { readonly x: tf.Tensor; readonly rate: tf.Tensor };
type Step = PureStep<State, Inputs, { readonly [name: string]: tf.Tensor }>;

function numbers(name: string, size: number): HostTensor {
  const random = createRandom(3).fork(name);
  return hostTensor(
    Float32Array.from({ length: size }, () => random.uniform(0.5, 2)),
    [size],
  );
}

const initial: Host<State> = { a: numbers('a', SIZE), b: numbers('b', SIZE), c: numbers('c', SIZE) };
const inputs: Host<Inputs> = { x: numbers('x', SIZE), rate: hostTensor([0.25], []) };

const steps: Readonly<Record<string, Step>> = {
  'an optimizer with two moments': ({ a, b, c }, { x, rate }) => {
    const gradient = tf.sin(x);
    const first = tf.add(tf.mul(b, 0.9), tf.mul(gradient, 0.1));
    const second = tf.add(tf.mul(c, 0.99), tf.mul(tf.square(gradient), 0.01));
    const next = tf.sub(a, tf.mul(rate, tf.div(first, tf.add(tf.sqrt(second), 1e-3))));
    return { state: { a: next, b: first, c: second }, outputs: { norm: tf.norm(gradient) } };
  },
  'tensors that change places': ({ a, b, c }, { rate }) => ({
    state: { a: tf.mul(b, rate), b: tf.add(a, c), c: tf.mul(tf.sub(a, b), 0.5) },
    outputs: {},
  }),
  'tensors that pass through or become another': ({ a, b, c }, { x }) => ({
    state: { a: b, b, c: tf.add(tf.add(c, x), tf.mul(a, 0.5)) },
    outputs: {},
  }),
  'one result for two tensors': ({ a, b, c }, { x }) => {
    const sum = tf.add(tf.add(a, b), x);
    return { state: { a: sum, b: sum, c }, outputs: {} };
  },
  'tensors that stay as they are': ({ a, b, c }, { x, rate }) => ({
    state: { a, b: tf.sub(b, tf.mul(rate, tf.mul(x, a))), c },
    outputs: { a },
  }),
  'a result that is an output too': ({ a, b, c }, { x }) => {
    const sum = tf.add(a, x);
    return { state: { a: sum, b: tf.mul(sum, b), c: tf.neg(tf.abs(c)) }, outputs: { sum, total: tf.sum(sum) } };
  },
};

describe('partition', () => {
  it('leaves nothing of an optimizer in the graph but the gradient', () => {
    const step = steps['an optimizer with two moments'] as Step;
    const traced = trace({ constants: {}, state: initial, inputs }, (_, state: State, own: Inputs) => step(state, own));
    const { loops, traced: rest } = partition(traced);
    expect(
      loops.map(({ arrays, scalars }) => ({ arrays: arrays.map(portName).sort(), scalars: scalars.map(portName) })),
    ).toEqual([{ arrays: ['array.1', 'state.a', 'state.b', 'state.c'], scalars: ['scalar.0'] }]);
    expect(rest.outputs.map(portName).sort()).toEqual(['array.1', 'output.norm', 'scalar.0']);
  });

  it('makes no output of state that stays as it is', () => {
    const traced = trace({ constants: {}, state: initial, inputs }, (_, { b, c }: State) => {
      return { state: { a: b, b, c }, outputs: { sum: tf.sum(c) } };
    });
    expect(partition(traced).traced.outputs.map(portName)).toEqual(['next.a', 'output.sum']);
  });
});

describe('steps with loops', () => {
  const engines = Promise.all([
    createEagerEngine('cpu'),
    createCompiledEngine({ threads: 1 }),
    createCompiledEngine({ threads: 1, memoryBytes: 1 }), // a memory for each tensor at first
    createCompiledEngine({ threads: 1, memoryBytes: 2 * SIZE * 4 }), // some tensors of a loop lie apart
  ]);
  beforeAll(async () => void (await engines));
  afterAll(async () => void (await Promise.all((await engines).map((engine) => engine.dispose()))));

  for (const [name, step] of Object.entries(steps)) {
    it(`equal the eager ones: ${name}`, async () => {
      const [expected, ...all] = await Promise.all(
        (await engines).map(async (engine) => {
          const program = await engine.prepareStep(step, initial);
          const outputs: HostTree[] = [];
          for (let i = 0; i < 2; i++) outputs.push(await program.step(inputs));
          const middle = await program.readState();
          await program.step(inputs);
          await program.writeState(middle);
          outputs.push(await program.step(inputs), await program.readState());
          await program.dispose();
          return outputs.flatMap((tree) => [...flattenTree<HostTensor>(tree)]);
        }),
      );
      for (const received of all) expectSame(received, expected as [string, HostTensor][]);
    });
  }

  it('may be different ones for inputs of different shapes, whose tensors then move', async () => {
    const either: Step = ({ a, b, c }, { x }) => {
      if (x.shape[0] === SIZE) return { state: { a: tf.add(a, tf.mul(b, x)), b: tf.mul(b, 0.5), c }, outputs: {} };
      return { state: { a, b: tf.add(b, tf.mul(c, tf.sum(x))), c: tf.neg(c) }, outputs: {} };
    };
    const short = { ...inputs, x: hostTensor([0.5, 1], [2]) };
    const [expected, ...all] = await Promise.all(
      (await engines).map(async (engine) => {
        const program = await engine.prepareStep(either, initial);
        for (const given of [inputs, short, inputs, short]) await program.step(given);
        const state = await program.readState();
        await program.dispose();
        return [...flattenTree<HostTensor>(state)];
      }),
    );
    for (const received of all) expectSame(received, expected as [string, HostTensor][]);
  });
});

function expectSame(received: [string, HostTensor][], expected: [string, HostTensor][]): void {
  expect(received.map(([leaf]) => leaf)).toEqual(expected.map(([leaf]) => leaf));
  received.forEach(([leaf, { data }], i) => {
    const want = (expected[i] as [string, HostTensor])[1].data;
    data.forEach((got, at) => {
      if (Math.abs(got - (want[at] as number)) > 1e-5 * (1 + Math.abs(want[at] as number))) {
        expect.fail(`${leaf}[${at}]: expected ${want[at]}, received ${got}`);
      }
    });
  });
}
