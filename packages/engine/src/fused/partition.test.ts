import * as tf from '@tensorflow/tfjs';
import { createRandom, flattenTree, hostTensor, type Host, type HostTensor, type PureStep } from '@drf/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCompiledEngine } from '../compiled/compiled-engine.js';
import { inputLeaves, subtree } from '../compiled/trees.js';
import { createEagerEngine } from '../eager/eager-engine.js';
import { trace } from '../trace/trace.js';
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
  'a result that is an output too': ({ a, b, c }, { x }) => {
    const sum = tf.add(a, x);
    return { state: { a: sum, b: tf.mul(sum, b), c: tf.neg(tf.abs(c)) }, outputs: { sum, total: tf.sum(sum) } };
  },
};

describe('partition', () => {
  it('leaves nothing of an optimizer in the graph but the gradient', () => {
    const step = steps['an optimizer with two moments'] as Step;
    const leaves = new Map([...inputLeaves(initial, 'state.'), ...inputLeaves(inputs, 'in.')]);
    const traced = trace(leaves, (tensors) => {
      const result = step(subtree(tensors, 'state.') as State, subtree(tensors, 'in.') as Inputs);
      return { next: result.state, out: result.outputs };
    });
    const { loops, traced: rest } = partition(traced);
    expect(loops.map(({ arrays, scalars }) => ({ arrays: [...arrays].sort(), scalars }))).toEqual([
      { arrays: ['array.1', 'state.a', 'state.b', 'state.c'], scalars: ['scalar.0'] },
    ]);
    expect([...rest.outputs.keys()].sort()).toEqual(['array.1', 'out.norm', 'scalar.0']);
  });
});

describe('steps with loops', () => {
  const engines = Promise.all([createEagerEngine('cpu'), createCompiledEngine({ threads: 1 })]);
  beforeAll(async () => void (await engines));
  afterAll(async () => void (await Promise.all((await engines).map((engine) => engine.dispose()))));

  for (const [name, step] of Object.entries(steps)) {
    it(`equal the eager ones: ${name}`, async () => {
      const [expected, received] = (await Promise.all(
        (await engines).map(async (engine) => {
          const program = await engine.prepareStep(step, initial);
          const outputs: unknown[] = [];
          for (let i = 0; i < 2; i++) outputs.push(await program.step(inputs));
          const middle = await program.readState();
          await program.step(inputs);
          await program.writeState(middle); // a state written anew gets loops of its own
          outputs.push(await program.step(inputs), await program.readState());
          await program.dispose();
          return outputs.flatMap((tree) => [...flattenTree<HostTensor>(tree as never)]);
        }),
      )) as [[string, HostTensor][], [string, HostTensor][]];
      expect(received.map(([leaf]) => leaf)).toEqual(expected.map(([leaf]) => leaf));
      received.forEach(([leaf, { data }], i) => {
        const want = (expected[i] as [string, HostTensor])[1].data;
        data.forEach((got, at) => {
          if (Math.abs(got - (want[at] as number)) > 1e-5 * (1 + Math.abs(want[at] as number))) {
            expect.fail(`${leaf}[${at}]: expected ${want[at]}, received ${got}`);
          }
        });
      });
    });
  }
});
