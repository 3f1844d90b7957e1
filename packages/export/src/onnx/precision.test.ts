import { createRandom, hostTensor } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { runOnnx } from '../testing/posts.js';
import { encodeModel, FLOAT16, FLOAT32, INT8, type OnnxModel, type OnnxNode, type OnnxTensor } from '@drf/onnx';
import { densityConstants, withPrecision } from './precision.js';

function floats(name: string, dims: readonly number[], numbers: ArrayLike<number>): OnnxTensor {
  return { name, dims, dataType: FLOAT32, rawData: new Uint8Array(Float32Array.from(numbers).buffer) };
}

function random(name: string, count: number): Float32Array {
  const stream = createRandom(3).fork(name);
  return Float32Array.from({ length: count }, () => stream.uniform(-2, 2));
}

function node(opType: string, input: readonly string[], output: string): OnnxNode {
  return { name: output, opType, input, output: [output], attribute: [] };
}

function info(name: string, sizes: readonly number[]) {
  return { name, type: { tensorType: { elemType: FLOAT32, shape: { dim: sizes.map((dimValue) => ({ dimValue })) } } } };
}

const [LARGE, SMALL] = [random('large', 256 * 256), random('small', 256 * 8)];

/** x · large · small + bias; the first product, negated, as a second output, too. */
function model(large: Float32Array = LARGE, small: Float32Array = SMALL, second = 'logDensityImage'): OnnxModel {
  return {
    irVersion: 8,
    opsetImport: [{ version: 17 }],
    metadataProps: [],
    graph: {
      name: 'test',
      input: [info('x', [256, 256])],
      output: [info('y', [256, 8]), info(second, [256, 256])],
      initializer: [floats('large', [256, 256], large), floats('small', [256, 8], small), floats('bias', [8], random('bias', 8))], // prettier-ignore
      node: [
        node('MatMul', ['x', 'large'], 'product'),
        node('Neg', ['product'], second),
        node('MatMul', ['product', 'small'], 'scores'),
        node('Add', ['scores', 'bias'], 'y'),
      ],
    },
  };
}

const IDENTITY = hostTensor(
  Float32Array.from({ length: 256 * 256 }, (_, i) => Number(i % 257 === 0)),
  [256, 256],
);

/** The weights as the runtime sees them: what the identity makes of them. */
async function storedLarge(built: OnnxModel): Promise<readonly number[]> {
  const { logDensityImage } = await runOnnx(encodeModel(built), { x: IDENTITY });
  return (logDensityImage ?? []).map((each) => -each);
}

const none = (): boolean => false;

function types({ graph }: OnnxModel): Record<string, number> {
  return Object.fromEntries(graph.initializer.map(({ name, dataType }) => [name, dataType]));
}

describe('withPrecision', () => {
  it('leaves float32 as it is', () => {
    const built = model();
    expect(withPrecision(built, 'float32', none)).toBe(built);
  });

  it('stores matrices in half precision, to 11 significant bits, and biases as they are', async () => {
    const smaller = withPrecision(model(), 'float16', none);
    expect(types(smaller)).toEqual({ large_float16: FLOAT16, small_float16: FLOAT16, bias: FLOAT32 });
    const stored = await storedLarge(smaller);
    const isNear = LARGE.every((number, i) => Math.abs(number - (stored[i] as number)) <= Math.abs(number) * 2 ** -11);
    expect(isNear).toBe(true);
    expect(encodeModel(smaller).length).toBeLessThan(0.51 * encodeModel(model()).length);
  });

  it('stores large matrices as 8-bit integers, to half a 127th of the largest in 32', async () => {
    const smaller = withPrecision(model(), 'int8', none);
    expect(types(smaller)).toMatchObject({ large_int8: INT8, large_scale: FLOAT32, small_float16: FLOAT16, bias: FLOAT32 }); // prettier-ignore
    const stored = await storedLarge(smaller);
    for (let block = 0; block < LARGE.length; block += 32) {
      const own = LARGE.subarray(block, block + 32);
      const largest = Math.max(...own.map(Math.abs));
      const errors = own.map((number, i) => Math.abs(number - (stored[block + i] as number)));
      expect(Math.max(...errors)).toBeLessThanOrEqual(largest / 254 + 1e-6);
    }
    expect(encodeModel(smaller).length).toBeLessThan(0.3 * encodeModel(model()).length);
  });

  it('keeps zeros, and numbers that half precision does not reach', async () => {
    const zeros = withPrecision(model(new Float32Array(256 * 256)), 'int8', none);
    expect((await storedLarge(zeros)).every((each) => each === 0)).toBe(true);
    const beyond = withPrecision(model(LARGE, SMALL.map((each, i) => (i === 9 ? 70_000 : each))), 'int8', none); // prettier-ignore
    expect(types(beyond)).toMatchObject({ small: FLOAT32, large_int8: INT8 });
  });

  it.each(['logDensityImage', 'intactText'])('keeps what %s rests on, and recognizes it in another model', (output) => {
    const isKept = densityConstants(model(LARGE, SMALL, output));
    const [large, small] = model().graph.initializer as [OnnxTensor, OnnxTensor];
    expect([isKept({ ...large, name: 'another' }), isKept(small)]).toEqual([true, false]);
    expect(types(withPrecision(model(), 'int8', isKept))).toEqual({ large: FLOAT32, small_float16: FLOAT16, bias: FLOAT32 }); // prettier-ignore
  });

  it('leaves a constant alone that is read otherwise, too', () => {
    const { graph, ...rest } = model();
    const both = { ...rest, graph: { ...graph, node: [...graph.node, node('Neg', ['large'], 'unused')] } };
    expect(types(withPrecision(both, 'int8', none))).toMatchObject({ large: FLOAT32, small_float16: FLOAT16 });
  });
});
