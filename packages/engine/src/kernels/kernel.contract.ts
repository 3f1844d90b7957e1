import * as tf from '@tensorflow/tfjs';
import { createRandom, flattenTree, hostTensor, type Engine, type HostTensor, type TensorTree } from '@drf/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCompiledEngine } from '../compiled/compiled-engine.js';
import { createEagerEngine } from '../eager/eager-engine.js';

/** A tensor of random numbers: its shape alone, or more about it. */
export type InputSpec =
  | readonly number[]
  | {
      readonly shape: readonly number[];
      readonly low?: number;
      readonly high?: number;
      /** Whole numbers, as int32. */
      readonly int32?: boolean;
      /** Exactly these numbers. */
      readonly values?: readonly number[];
    };

export interface KernelCase {
  readonly name: string;
  readonly inputs: readonly InputSpec[];
  /** A method, so that tensors of a certain rank may be asked for. */
  run(...tensors: tf.Tensor[]): tf.Tensor | readonly tf.Tensor[];
  /** Default: compared too, for every float input. A string says why there is none. */
  readonly gradient?: string;
  /** Allowed difference, absolute and relative; default 1e-5. */
  readonly tolerance?: number;
}

/** A tree without leaves. */
type Nothing = Record<string, never>;

type Leaves = { readonly [name: string]: tf.Tensor };

function numbersFor(spec: Exclude<InputSpec, readonly number[]>, seed: string): HostTensor {
  const random = createRandom(7).fork(seed);
  const { low = -2, high = 2 } = spec;
  const size = spec.shape.reduce((product, each) => product * each, 1);
  const draw = spec.int32 ? () => Math.floor(random.uniform(low, high)) : () => random.uniform(low, high);
  const numbers = spec.values ?? Array.from({ length: size }, draw);
  return hostTensor(spec.int32 ? Int32Array.from(numbers) : Float32Array.from(numbers), spec.shape);
}

function inputsOf(each: KernelCase): Record<string, HostTensor> {
  return Object.fromEntries(
    each.inputs.map((spec, i) => {
      const full = Array.isArray(spec)
        ? { shape: spec as readonly number[] }
        : (spec as Exclude<InputSpec, readonly number[]>);
      return [`x${i}`, numbersFor(full, `${each.name} ${i}`)];
    }),
  );
}

function outputsOf(each: KernelCase, tensors: Leaves): readonly tf.Tensor[] {
  const result = each.run(...Object.values(tensors));
  return Array.isArray(result) ? (result as tf.Tensor[]) : [result as tf.Tensor];
}

/** Weights that differ from element to element, so that no error of the gradient cancels out. */
function weightedSum(outputs: readonly tf.Tensor[]): tf.Scalar {
  const parts = outputs
    .filter((output) => output.dtype === 'float32')
    .map((output) => {
      const weights = tf.tensor(
        Array.from({ length: output.size }, (_, i) => Math.cos(i + 1)),
        output.shape,
      );
      return tf.sum(tf.mul(output, weights));
    });
  return tf.addN(parts).asScalar();
}

function forward(each: KernelCase) {
  return (_: Nothing, tensors: Leaves): TensorTree =>
    Object.fromEntries(outputsOf(each, tensors).map((output, i) => [`y${i}`, output]));
}

function backward(each: KernelCase) {
  return (_: Nothing, tensors: Leaves): TensorTree => {
    const names = Object.keys(tensors);
    const floats = names.filter((name) => (tensors[name] as tf.Tensor).dtype === 'float32');
    const loss = (...xs: tf.Tensor[]): tf.Scalar => {
      const own = Object.fromEntries(floats.map((name, i) => [name, xs[i] as tf.Tensor]));
      return weightedSum(
        outputsOf(each, Object.fromEntries(names.map((name) => [name, (own[name] ?? tensors[name]) as tf.Tensor]))),
      );
    };
    const grads = tf.grads(loss)(floats.map((name) => tensors[name] as tf.Tensor));
    return Object.fromEntries(grads.map((gradient, i) => [`d${floats[i]}`, gradient]));
  };
}

/** Compares every number; infinities and NaN must stand at the same places. */
function expectClose(received: HostTensor, expected: HostTensor, tolerance: number, name: string): void {
  expect(received.shape, `${name}: shape`).toEqual(expected.shape);
  expect(received.dtype, `${name}: dtype`).toBe(expected.dtype);
  expected.data.forEach((want, i) => {
    const got = received.data[i] as number;
    const close = Object.is(got, want) || got === want || Math.abs(got - want) <= tolerance * (1 + Math.abs(want));
    if (!close) expect.fail(`${name}[${i}]: expected ${want}, received ${got}`);
  });
}

/** Runs each case eagerly on tfjs's `cpu` backend and compiled, and compares results and gradients. */
export function describeKernels(family: string, cases: readonly KernelCase[]): void {
  describe(`kernels: ${family}`, () => {
    let compiled: Engine;
    let eager: Engine;
    beforeAll(async () => {
      eager = await createEagerEngine('cpu');
      compiled = await createCompiledEngine({ threads: 1 });
    });
    afterAll(async () => {
      await compiled.dispose();
      await eager.dispose();
    });

    async function compare(each: KernelCase, run: ReturnType<typeof forward>): Promise<void> {
      const inputs = inputsOf(each);
      const [expected, received] = await Promise.all(
        [eager, compiled].map(async (engine) => {
          const program = await engine.prepare<Nothing, Leaves, TensorTree>(run, {});
          const outputs = await program.run(inputs);
          await program.dispose();
          return flattenTree<HostTensor>(outputs);
        }),
      );
      expect([...(received?.keys() ?? [])]).toEqual([...(expected?.keys() ?? [])]);
      for (const [name, tensor] of expected ?? []) {
        expectClose(received?.get(name) as HostTensor, tensor, each.tolerance ?? 1e-5, name);
      }
    }

    for (const each of cases) {
      it(each.name, () => compare(each, forward(each)));
      if (each.gradient === undefined) it(`${each.name}: gradient`, () => compare(each, backward(each)));
    }
  });
}
