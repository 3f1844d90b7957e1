import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { flattenTree, hostTensor, mapTree, toHost, toTensor, unflattenTree } from './index.js';

describe('parameter trees', () => {
  const tree = { b: hostTensor([1], [1]), a: { y: hostTensor([2, 3], [2]), x: { k: hostTensor([4], []) } } };

  it('flatten to sorted dotted names and back', () => {
    const flat = flattenTree(tree);
    expect([...flat.keys()]).toEqual(['a.x.k', 'a.y', 'b']);
    expect(unflattenTree(flat)).toEqual(tree);
  });

  it('map leaves, host to tensors and back', async () => {
    await tf.setBackend('cpu');
    const tensors = mapTree(tree, toTensor);
    const flat = [...flattenTree(tensors).values()];
    expect((await toHost(flat[1] as tf.Tensor)).data).toEqual(Float32Array.of(2, 3));
    tf.dispose(flat);
  });

  it('refuse dotted names and clashes', () => {
    expect(() => flattenTree({ 'a.b': hostTensor([1], []) })).toThrow(/names without dots, received "a.b"/);
    expect(() =>
      unflattenTree([
        ['a', 1],
        ['a.b', 2],
      ]),
    ).toThrow(/"a.b" twice/);
  });
});
