import * as tf from '@tensorflow/tfjs';
import { ConfigurationError, hostTensor, UnavailableError, type HostTensor } from '@drf/tensor';
import { afterEach, describe, expect, it } from 'vitest';
import { ModelProto } from '@drf/onnx';
import { compile } from './compile.js';

type Vector = { readonly x: tf.Tensor };

const x = hostTensor([1, 2, 3, 4], [2, 2]);
const compiled: { dispose(): Promise<void> }[] = [];

function keep<C extends { dispose(): Promise<void> }>(program: C): C {
  compiled.push(program);
  return program;
}

interface Decoded {
  readonly opsetImport: readonly { readonly domain: string; readonly version: unknown }[];
  readonly graph: {
    readonly node: readonly { readonly opType: string; readonly domain: string }[];
    readonly input: readonly { readonly name: string }[];
    readonly output: readonly { readonly name: string }[];
    readonly initializer: readonly { readonly name: string }[];
  };
}

function decode(model: Uint8Array): Decoded {
  return ModelProto.toObject(ModelProto.decode(model), { longs: Number, defaults: true, arrays: true }) as Decoded;
}

describe('compile', () => {
  afterEach(async () => {
    await Promise.all(compiled.map((program) => program.dispose()));
    compiled.length = 0;
  });

  it('runs a function and its gradient, and traces again for other shapes', async () => {
    const cube = (inputs: Vector) => ({ gradient: tf.grad((each: tf.Tensor) => tf.sum(tf.pow(each, 3)))(inputs.x) });
    const program = keep(compile(cube, { x }));
    expect((await program.run({ x })).gradient).toEqual(hostTensor([3, 12, 27, 48], [2, 2]));
    expect((await program.run({ x: hostTensor([5], [1]) })).gradient).toEqual(hostTensor([75], [1]));
  });

  it('makes tensors that the function captured part of the graph', async () => {
    await tf.setBackend('cpu');
    const captured = tf.tensor1d([10, 20]);
    const program = compile((inputs: Vector) => ({ y: tf.add(inputs.x, captured) }), { x });
    captured.dispose();
    expect((await program.run({ x })).y).toEqual(hostTensor([11, 22, 13, 24], [2, 2]));
    await program.dispose();
  });

  it('masks the gradient of a rectifier without a choice', async () => {
    const slope = (inputs: Vector) => ({ y: tf.grad((each: tf.Tensor) => tf.square(tf.relu(each)))(inputs.x) });
    const signs = hostTensor([1, -2, 0, 4], [2, 2]);
    const program = keep(compile(slope, { x: signs }));
    expect((await program.run({ x: signs })).y).toEqual(hostTensor([2, 0, 0, 8], [2, 2]));
    const operators = decode(program.toOnnx()).graph.node.map(({ opType }) => opType);
    expect(operators).toContain('Cast');
    expect(operators).not.toContain('Where');
  });

  it('refuses to read a tensor, saying where', () => {
    const choose = (inputs: Vector) => ({ y: (inputs.x.dataSync()[0] as number) > 0 ? inputs.x : tf.neg(inputs.x) });
    expect(() => compile(choose, { x })).toThrow(ConfigurationError);
    expect(() => compile(choose, { x })).toThrow(
      /no tensor to be read .* received a read at choose \(.*compile\.test\.ts:\d+:\d+\); choose between values with tf\.where/,
    );
  });

  it('lets constants be read', () => {
    const program = compile((inputs: Vector) => ({ y: tf.mul(inputs.x, tf.scalar(3).dataSync()[0] as number) }), { x });
    expect(program.toOnnx().length).toBeGreaterThan(0);
  });

  it('names a kernel that it lacks and where it is called', () => {
    const spectrum = (inputs: Vector) => ({ y: tf.unique(inputs.x).values });
    expect(() => compile(spectrum, { x })).toThrow(UnavailableError);
    expect(() => compile(spectrum, { x })).toThrow(
      /received tfjs kernel "Unique" at spectrum \(.*compile\.test\.ts:\d+:\d+\); use another operation/,
    );
  });

  it('leaves no tensor behind when the function throws', async () => {
    await tf.setBackend('cpu');
    const before = tf.memory().numTensors;
    const broken = (inputs: Vector): Vector => {
      tf.square(inputs.x);
      throw new Error('broken');
    };
    expect(() => compile(broken, { x })).toThrow('broken');
    expect(tf.memory().numTensors).toBe(before);
    expect(tf.getBackend()).toBe('cpu');
  });

  it('keeps the event loop free while it computes', async () => {
    const side = hostTensor(new Float32Array(600 * 600).fill(1 / 600), [600, 600]);
    const powers = (inputs: Vector) => {
      let product = inputs.x as tf.Tensor2D;
      for (let i = 0; i < 40; i++) product = tf.matMul(product, inputs.x);
      return { sum: tf.sum(product) };
    };
    const program = compile(powers, { x: side });
    await program.run({ x: side });
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await program.run({ x: side });
    clearInterval(timer);
    await program.dispose();
    expect(ticks).toBeGreaterThan(5);
  });

  it('brings errors of the worker to the caller with both stacks', async () => {
    // an index that is out of range is found by the runtime only
    const pick = (inputs: Vector & { readonly row: tf.Tensor }) => ({ y: tf.gather(inputs.x, inputs.row.toInt()) });
    const row = (index: number): HostTensor => hostTensor(Int32Array.of(index), [1]);
    const program = compile(pick, { x, row: row(0) });
    async function callsRun(): Promise<unknown> {
      return await program.run({ x, row: row(9) });
    }
    const error = (await callsRun().catch((caught: unknown) => caught)) as Error;
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error.message).toMatch(/request "run", expected success, received .*[Oo]ut of/s);
    expect(error.stack).toContain('callsRun');
    expect(error.stack).toContain('in the worker thread');
    expect((await program.run({ x, row: row(1) })).y).toEqual(hostTensor([3, 4], [1, 2]));
    await program.dispose();
  });

  it('refuses providers that are unknown or not installed', () => {
    const identity = (inputs: Vector) => ({ y: inputs.x });
    expect(() => compile(identity, { x }, { provider: 'abacus' as 'cpu' })).toThrow(
      'option "provider" expected one of cpu, cuda, webgpu, coreml, dml, received "abacus"',
    );
    const absent = process.platform === 'darwin' ? 'dml' : 'coreml';
    expect(() => compile(identity, { x }, { provider: absent })).toThrow(
      new RegExp(
        `engine "compiled:${absent}" expected .* received an ONNX Runtime for .*, which has cpu.*"compiled:cpu"`,
      ),
    );
  });
});

describe('toOnnx', () => {
  const layer = (inputs: Vector) => ({
    y: tf.relu(tf.add(tf.matMul(inputs.x, tf.tensor2d([[1, 2], [3, 4]])), tf.ones([2]))), // prettier-ignore
  });

  it("writes standard operators, opset 17, the user's names, and no more than is needed", () => {
    const model = decode(compile(layer, { x }).toOnnx({ name: 'layer' }));
    expect(model.opsetImport).toEqual([{ domain: '', version: 17 }]);
    expect(model.graph.node.map(({ opType }) => opType)).toEqual(['Gemm', 'Add', 'Relu']);
    expect(model.graph.node.every(({ domain }) => domain === '')).toBe(true);
    expect(model.graph.input.map(({ name }) => name)).toEqual(['x']);
    expect(model.graph.output.map(({ name }) => name)).toEqual(['y']);
  });

  it('folds constants and drops what changes nothing', () => {
    const wordy = (inputs: Vector) => {
      const one = tf.exp(tf.zeros([2, 2]));
      const unused = tf.matMul(inputs.x, inputs.x);
      return {
        y: tf.add(tf.mul(inputs.x, one), tf.sub(one, one)),
        twice: [unused].length > 0 ? tf.neg(inputs.x) : one,
      };
    };
    const model = decode(compile(wordy, { x }).toOnnx());
    expect(model.graph.node.map(({ opType }) => opType)).toEqual(['Neg', 'Identity']);
    expect(model.graph.initializer).toEqual([]);
  });

  it('refuses one name for an input and an output', () => {
    const program = compile((inputs: Vector) => ({ x: tf.neg(inputs.x) }), { x });
    expect(() => program.toOnnx()).toThrow(
      'toOnnx expected different names for inputs and outputs, received "x" for both; rename the output',
    );
  });
});
