import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { valueAndGradients } from './index.js';

beforeAll(async () => void (await tf.setBackend('cpu')));

describe('valueAndGradients', () => {
  it('gives value, gradients by flat name, and what else the function made', () => {
    const parameters = { inner: { x: tf.tensor1d([1, 2]) }, y: tf.scalar(3) };
    const { loss, gradients, auxiliary } = valueAndGradients((tree) => {
      const { inner, y } = tree as typeof parameters;
      const squares = tf.square(inner.x);
      return { loss: tf.mul(tf.sum(squares), y), auxiliary: { deep: { squares } } };
    }, parameters);
    expect(loss.dataSync()[0]).toBe(15);
    expect([...gradients.keys()]).toEqual(['inner.x', 'y']);
    expect([...(gradients.get('inner.x') as tf.Tensor).dataSync()]).toEqual([6, 12]);
    expect([...(gradients.get('y') as tf.Tensor).dataSync()]).toEqual([5]);
    expect([...auxiliary.deep.squares.dataSync()]).toEqual([1, 4]);
    tf.dispose([loss, ...gradients.values(), auxiliary.deep.squares, parameters.inner.x, parameters.y]);
  });

  it('refuses a parameter that the loss does not use', () => {
    tf.tidy(() => {
      const parameters = { used: tf.scalar(2), unused: tf.tensor1d([7, 8]) };
      const run = (): unknown =>
        valueAndGradients((tree) => ({ loss: tf.square(tree.used as tf.Tensor), auxiliary: {} }), parameters);
      expect(run).toThrow('Cannot compute gradient');
    });
  });
});
