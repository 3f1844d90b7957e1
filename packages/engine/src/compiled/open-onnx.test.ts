import * as tf from '@tensorflow/tfjs';
import { hostTensor } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { ModelProto, openOnnxModel } from '@drf/onnx';
import { compile } from './compile.js';

describe('openOnnxModel', () => {
  it('runs a file by the names in it', async () => {
    const example = { x: hostTensor([1, 2, 3], [3]) };
    const double = ({ x }: { readonly x: tf.Tensor }) => ({ twice: tf.mul(x, 2), sum: tf.sum(x) });
    const bytes = compile(double, example).toOnnx();
    const model = await openOnnxModel('double.onnx', bytes);
    expect(bytes.byteLength).toBeGreaterThan(0); // the caller's bytes stay
    const outputs = await model.run({ x: hostTensor([4, 5, 6], [3]) }, ['sum', 'twice']);
    expect([[...(outputs['twice']?.data ?? [])], outputs['twice']?.shape]).toEqual([[8, 10, 12], [3]]);
    expect(outputs['sum']?.data[0]).toBe(15);
    await expect(model.run({ x: hostTensor([4, 5], [2]) }, ['sum'])).rejects.toThrow(/ONNX Runtime, request "run"/);
    await model.dispose();
  });

  it('opens no model whose values lie in another file', async () => {
    const outside = { name: 'weights', dims: [1], dataType: 1, dataLocation: 1 };
    const within = { attribute: [{ name: 'value', t: outside }], opType: 'Constant', output: ['y'] };
    const branch = { attribute: [{ name: 'then_branch', g: { node: [within] } }], opType: 'If', output: ['y'] };
    for (const graph of [{ initializer: [outside] }, { node: [within] }, { node: [branch] }]) {
      const bytes = ModelProto.encode(ModelProto.fromObject({ irVersion: 8, graph })).finish();
      await expect(openOnnxModel('model.onnx', bytes)).rejects.toThrow(
        'model.onnx expected a model whose tensors are all in its file, received "weights", whose values lie in another one',
      );
    }
  });

  it('names a file that is none', async () => {
    await expect(openOnnxModel('broken.onnx', Buffer.from('no model'))).rejects.toThrow(
      /^broken.onnx expected a model that ONNX Runtime reads, received .*; write the file again/,
    );
  });
});
