import { describe, expect, it } from 'vitest';
import { hostTensor } from '@drf/tensor';
import { runOnnx } from '../testing/posts.js';
import { foldConstants } from './fold-constants.js';
import { encodeModel, int64Tensor, type OnnxModel, type OnnxNode, type OnnxTensor } from '@drf/onnx';

function floats(name: string, dims: readonly number[], numbers: readonly number[]): OnnxTensor {
  return { name, dims, dataType: 1, rawData: new Uint8Array(Float32Array.from(numbers).buffer) };
}

function node(opType: string, input: readonly string[], output: string): OnnxNode {
  return { name: output, opType, input, output: [output], attribute: [] };
}

function info(name: string, sizes: readonly number[]) {
  return { name, type: { tensorType: { elemType: 1, shape: { dim: sizes.map((dimValue) => ({ dimValue })) } } } };
}

/** (x + Σ rows) · (a + b), where the sum and a + b are constant. */
const MODEL: OnnxModel = {
  irVersion: 8,
  opsetImport: [{ version: 17 }],
  metadataProps: [],
  graph: {
    name: 'test',
    input: [info('x', [2])],
    output: [info('y', [2]), info('constant', [2])],
    initializer: [
      floats('rows', [3, 2], [1, 2, 3, 4, 5, 6]),
      int64Tensor('axes', [0]),
      floats('a', [], [1]),
      floats('b', [2], [2, 3]),
      int64Tensor('shape', [2, 2]),
    ],
    node: [
      { ...node('ReduceSum', ['rows', 'axes'], 'total'), attribute: [{ name: 'keepdims', type: 2, i: 0 }] },
      node('Add', ['a', 'b'], 'factor'),
      node('Neg', ['factor'], 'unused'),
      node('Expand', ['b', 'shape'], 'repeated'),
      node('Add', ['x', 'total'], 'shifted'),
      node('Mul', ['shifted', 'factor'], 'y'),
      node('Identity', ['b'], 'constant'),
    ],
  },
};

describe('foldConstants', () => {
  it('computes what is constant once, and keeps what the model gives', async () => {
    const folded = await foldConstants(MODEL);
    const inputs = { x: hostTensor([10, 20], [2]) };
    expect(await runOnnx(encodeModel(folded), inputs)).toEqual({ y: [(10 + 9) * 3, (20 + 12) * 4], constant: [2, 3] });
    expect(folded.graph.node.map(({ name }) => name)).toEqual(['repeated', 'shifted', 'y', 'constant']);
    expect(folded.graph.initializer.map(({ name }) => name).sort()).toEqual(['b', 'factor', 'shape', 'total']);
    expect(await foldConstants(folded)).toBe(folded);
  });
});
