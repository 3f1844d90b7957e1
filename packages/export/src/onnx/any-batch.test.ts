import * as tf from '@tensorflow/tfjs';
import { compile } from '@drf/engine';
import { decodeModel, encodeModel, type OnnxValueInfo, shapeOf } from '@drf/onnx';
import { DataError, hostTensor, type TensorTree, UnavailableError } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { runOnnx } from '../testing/posts.js';
import { randomTensor } from '../testing/tiny-run.js';
import { forAnyBatch, forAnyBatchAndLength } from './any-batch.js';

type Compute = (rows: tf.Tensor2D) => tf.Tensor;

const WIDTH = 6;

function traced(compute: Compute): (batch: number) => Uint8Array {
  return (batch) => {
    const rows = hostTensor(new Float32Array(batch * WIDTH), [batch, WIDTH]);
    return compile((inputs: TensorTree) => ({ result: compute(inputs['rows'] as tf.Tensor2D) }), { rows }).toOnnx();
  };
}

async function eager(compute: Compute, batch: number): Promise<number[]> {
  await tf.setBackend('cpu');
  return tf.tidy(() => [
    ...(compute(
      tf.tensor2d(randomTensor('rows', [batch, WIDTH]).data as Float32Array, [batch, WIDTH]),
    ).dataSync() as Float32Array),
  ]);
}

const FUNCTIONS: Readonly<Record<string, Compute>> = {
  'reshapes to more axes': (rows) => tf.sum(tf.reshape(rows, [rows.shape[0], 2, 3]), 1),
  'joins batch and another axis': (rows) => tf.reshape(tf.relu(tf.reshape(rows, [rows.shape[0] * 2, 3])), [-1, WIDTH]),
  'lays the batch flat': (rows) => tf.reshape(tf.square(tf.reshape(rows, [-1])), rows.shape),
  'stacks a constant for each post': (rows) => tf.concat([rows, tf.ones([rows.shape[0], 2])], 1),
  'stacks different constants for each post': (rows) =>
    tf.concat([rows, tf.tile(tf.tensor2d([[1, 2, 3]]), [rows.shape[0], 1])], 1),
  'repeats constants of a size at which they are no longer written out': (rows) =>
    tf.concat([rows, tf.tile(tf.reshape(tf.range(0, 80), [1, 80]), [rows.shape[0], 1])], 1),
  slices: (rows) => tf.slice(rows, [0, 1], [rows.shape[0], 3]),
  'reverses the posts': (rows) => tf.concat([tf.reverse(rows, [0]), rows], 1),
  'multiplies matrices, transposed too': (rows) =>
    tf.matMul(tf.matMul(rows, tf.ones([WIDTH, 4])), tf.ones([2, 4]), false, true),
  'chooses by a constant': (rows) => tf.where(tf.fill(rows.shape, 1, 'bool'), rows, tf.zerosLike(rows)),
  'moves the last post to the front': (rows) => {
    const before = rows.shape[0] - 1;
    return tf.concat([tf.slice(rows, [before, 0], [1, WIDTH]), tf.slice(rows, [0, 0], [before, WIDTH])], 0);
  },
  'keeps the first half of all numbers': (rows) =>
    tf.reshape(tf.slice(tf.reshape(rows, [-1]), [0], [3 * rows.shape[0]]), [-1, 3]),
  'averages over the posts': (rows) => tf.sub(rows, tf.mean(rows, 0)),
  'returns what it gets': (rows) => tf.add(rows, 0),
};

describe('forAnyBatch', () => {
  it.each(Object.entries(FUNCTIONS))('works at any batch size for a function that %s', async (_, compute) => {
    const model = await forAnyBatch(traced(compute));
    expect(shapeOf(model.graph.input[0] as OnnxValueInfo)).toEqual(['batch', WIDTH]);
    expect(shapeOf(model.graph.output[0] as OnnxValueInfo)[0]).toBe('batch');
    const file = encodeModel(model);
    for (const batch of [1, 2, 5, 13, 40]) {
      const { result } = await runOnnx(file, { rows: randomTensor('rows', [batch, WIDTH]) });
      const expected = await eager(compute, batch);
      expect(result?.length).toBe(expected.length);
      expected.forEach((number, i) => expect(result?.[i]).toBeCloseTo(number, 5));
    }
  });

  it.each<[string, Compute]>([
    ['numbers the posts', (rows) => tf.add(rows, tf.reshape(tf.range(0, rows.shape[0]), [-1, 1]))],
    ['gives the same however many posts there are', (rows) => tf.div(tf.ones(rows.shape), rows.shape[0])],
    ['has an output that grows twice as fast', (rows) => tf.concat([rows, rows], 0)],
  ])('refuses a function that %s', async (_, compute) => {
    const attempt = forAnyBatch(traced(compute));
    await expect(attempt).rejects.toThrow(UnavailableError);
    await expect(attempt).rejects.toThrow(
      /depends on the batch size by shapes alone.*export for one batch size with --batch N/,
    );
  });

  it('reads models only', () => {
    expect(() => decodeModel(Uint8Array.of(1, 2, 3))).toThrow(DataError);
    expect(() => decodeModel(new Uint8Array(0))).toThrow(
      /expected the bytes of an ONNX model, received it has no graph/,
    );
  });
});

describe('forAnyBatchAndLength', () => {
  const at = (batch: number, length: number, compute: Compute): Uint8Array =>
    compile((inputs: TensorTree) => ({ result: compute(inputs['rows'] as tf.Tensor2D) }), {
      rows: hostTensor(new Float32Array(batch * length), [batch, length]),
    }).toOnnx();

  it('works where both sizes differ', async () => {
    const model = await forAnyBatchAndLength((batch, length) => at(batch, length, tf.relu), 9);
    expect(shapeOf(model.graph.input[0] as OnnxValueInfo)).toEqual(['batch', 'sequence']);
  });

  it.each<[string, Compute, number, RegExp]>([
    ['takes few tokens', tf.relu, 8, /expected a function that takes 9 tokens or more, received one that takes at most 8/],
    ['numbers the posts', (rows) => tf.add(rows, tf.reshape(tf.range(0, rows.shape[0]), [-1, 1])), 64, /depends on the batch size and the length of texts by shapes alone, received graphs that differ in other ways/],
  ])('refuses a function that %s', async (_, compute, longest, message) => {
    const attempt = forAnyBatchAndLength((batch, length) => at(batch, length, compute), longest);
    await expect(attempt).rejects.toThrow(UnavailableError);
    await expect(attempt).rejects.toThrow(message);
  }); // prettier-ignore
});
