import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { createRandom, hostTensor, type Host, type HostTensor } from '@drf/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compile, createCompiledEngine, createEagerEngine } from '@drf/engine';
import protobuf from 'protobufjs';
import { recompute, stopGradient } from './index.js';

type Inputs = { readonly x: tf.Tensor; readonly w: tf.Tensor; readonly rows: tf.Tensor; readonly unused: tf.Tensor };
type Wrap = typeof recompute;

/** The part of onnx.proto that says which operators a model has. */
const OnnxModel = protobuf
  .parse(
    `syntax = "proto3"; message Node { string op_type = 4; } message Graph { repeated Node node = 1; }
    message Model { Graph graph = 7; }`,
    { keepCase: true },
  )
  .root.lookupType('Model');

const LAYERS = 3;
const DIM = 4;

const block = ([x, w, rows]: readonly tf.Tensor[]): tf.Tensor =>
  tf.gather(tf.sin(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D)), rows as tf.Tensor1D);

/** Layers that share a matrix, the value after them, and the gradients. */
function network(wrap: Wrap) {
  return (_: Record<string, never>, { x, w, rows, unused }: Inputs) => {
    const forward = (start: tf.Tensor, weights: tf.Tensor, other: tf.Tensor): tf.Scalar => {
      let hidden = start;
      for (let i = 0; i < LAYERS; i++) hidden = wrap(block, [hidden, weights, rows, other]);
      return tf.sum(tf.mul(hidden, tf.add(tf.square(hidden), start))).asScalar();
    };
    const { value, grads } = tf.valueAndGrads(forward)([x, w, unused]);
    const [dx, dw, dUnused] = grads as [tf.Tensor, tf.Tensor, tf.Tensor];
    return { value, dx, dw, dUnused };
  };
}

function numbers(name: string, shape: readonly number[]): HostTensor {
  const random = createRandom(5).fork(name);
  const size = shape.reduce((product, each) => product * each, 1);
  return hostTensor(
    Float32Array.from({ length: size }, () => random.normal()),
    shape,
  );
}

const inputs: Host<Inputs> = {
  x: numbers('x', [3, DIM]),
  w: numbers('w', [DIM, DIM]),
  rows: hostTensor(Int32Array.of(2, 0, 0), [3]),
  unused: numbers('unused', [2]),
};

describe('stopGradient', () => {
  it('keeps the value, stops the gradient', async () => {
    await tf.setBackend('cpu');
    const value = tf.tidy(() => [...stopGradient(tf.tensor1d([1, 2])).dataSync()]);
    expect(value).toEqual([1, 2]);
    const gradient = tf.tidy(() =>
      tf
        .grad((x) => tf.sum(tf.mul(x, stopGradient(x))))(tf.tensor1d([3]))
        .dataSync(),
    );
    expect([...gradient]).toEqual([3]); // d(x·c)/dx = c, not 2x
  });
});

describe('recompute', () => {
  const engines = Promise.all([createEagerEngine('cpu'), createCompiledEngine({ threads: 1 })]);
  beforeAll(async () => void (await engines));
  afterAll(async () => void (await Promise.all((await engines).map((engine) => engine.dispose()))));

  async function run(at: number, wrap: Wrap, given: Host<Inputs> = inputs) {
    const engine = (await engines)[at] as Awaited<typeof engines>[number];
    const program = await engine.prepare(network(wrap), {});
    const outputs = await program.run(given);
    await program.dispose();
    return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, [...data]]));
  }

  for (const [at, name] of ['eager', 'compiled'].entries()) {
    it(`${name}: changes neither the value nor the gradients`, async () => {
      const plain = await run(0, used);
      const received = await run(at, recompute);
      expect(received['value']?.[0]).toBeCloseTo(plain['value']?.[0] as number, 4);
      for (const leaf of ['dx', 'dw', 'dUnused'])
        received[leaf]?.forEach((got, i) => expect(got, `${leaf}[${i}]`).toBeCloseTo(plain[leaf]?.[i] as number, 4));
    });

    it(`${name}: lets numbers that are not finite through`, async () => {
      const given = { ...inputs, x: hostTensor([Infinity, ...inputs.x.data.slice(1)], [3, DIM]) };
      const received = await run(at, recompute, given);
      expect(received['dx']?.some(Number.isNaN)).toBe(true);
    });
  }

  it('computes the forward again at the time of the gradient, which ONNX Runtime does not undo', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'drf-recompute-'));
    const count = async (wrap: Wrap): Promise<string[]> => {
      const compiled = compile((given: Inputs) => network(wrap)({}, given), inputs);
      const path = join(folder, 'optimized.onnx');
      const { InferenceSession } = await import('onnxruntime-node');
      const session = await InferenceSession.create(compiled.toOnnx(), {
        optimizedModelFilePath: path,
        logSeverityLevel: 4,
      });
      await session.release();
      await compiled.dispose();
      const model = OnnxModel.toObject(OnnxModel.decode(await readFile(path)));
      return model.graph.node.map((node: { op_type: string }) => node.op_type);
    };
    try {
      const [plain, twice] = [await count(used), await count(recompute)];
      const products = (operators: string[]): number => operators.filter((each) => each === 'Gemm').length;
      expect(products(plain)).toBe(3 * LAYERS);
      expect(products(twice)).toBe(4 * LAYERS);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('does so in the engine too, holding back what it computes from without copying it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'drf-recompute-'));
    try {
      const engine = await createCompiledEngine({ threads: 1, profilePrefix: join(folder, 'profile') });
      const program = await engine.prepare(network(recompute), {});
      await program.run(inputs);
      await engine.dispose(); // which ends the profile
      const [file] = await readdir(folder);
      const events = JSON.parse(await readFile(join(folder, file as string), 'utf8')) as ProfileEvent[];
      const computed = events.filter(({ cat, name }) => cat === 'Node' && name.endsWith('kernel_time'));
      expect(computed.filter(({ args }) => args?.op_name === 'Gemm')).toHaveLength(4 * LAYERS);
      const choices = computed.filter(({ args }) => args?.op_name === 'Where');
      expect(choices.length).toBeGreaterThan(0);
      const types = choices.flatMap(({ args }) => Object.keys(args?.output_type_shape?.[0] ?? {}));
      expect(new Set(types)).toEqual(new Set(['int64'])); // of shapes, not of hidden states
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

/** Of ONNX Runtime's profile. */
interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  readonly args?: { readonly op_name?: string; readonly output_type_shape?: readonly object[] };
}

/** The same without recomputation; tfjs asks for a path from every input. */
function used(compute: (all: readonly tf.Tensor[]) => tf.Tensor, all: readonly tf.Tensor[]): tf.Tensor {
  return tf.add(compute(all), tf.mul(tf.sum(all[3] as tf.Tensor), 0));
}
