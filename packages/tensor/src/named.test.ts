import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { assertShape, DrfError, named, ShapeMismatchError } from './index.js';

beforeAll(async () => void (await tf.setBackend('cpu')));

function errorOf(run: () => void): Error {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

describe('named', () => {
  it('returns the very same tensor, at no cost', () => {
    tf.tidy(() => {
      const tensor = tf.zeros([2, 3]);
      const before = tf.memory().numTensors;
      expect(named(tensor, ['batch', 'dim'])).toBe(tensor);
      expect(tf.memory().numTensors).toBe(before);
      const number = tf.scalar(1);
      expect(named(number, [])).toBe(number);
    });
  });

  it('refuses another rank, naming axes and shape', () => {
    tf.tidy(() => {
      const error = errorOf(() => named(tf.zeros([2, 3, 4]), ['batch', 'dim']));
      expect(error).toBeInstanceOf(ShapeMismatchError);
      expect(error.message).toBe('named expected a tensor of rank 2 with axes [batch, dim], received shape [2, 3, 4]');
      expect(errorOf(() => named(tf.zeros([1]), [])).message).toBe(
        'named expected a tensor of rank 0 with axes [], received shape [1]',
      );
    });
  });
});

describe('assertShape', () => {
  it('takes the exact shape, and any size where * stands', () => {
    expect(() => assertShape('Test', { shape: [32, 768] }, [32, 768])).not.toThrow();
    expect(() => assertShape('Test', { shape: [32, 768] }, ['*', 768])).not.toThrow();
    expect(() => assertShape('Test', { shape: [0, 768] }, ['*', 768])).not.toThrow();
    expect(() => assertShape('Test', { shape: [] }, [])).not.toThrow();
  });

  it('says who expected what, what came, and what to do', () => {
    const error = errorOf(() =>
      assertShape('FeatureQueue.enqueue', { shape: [32, 512] }, ['*', 768], "check the encoder's outputDim"),
    );
    expect(error).toBeInstanceOf(ShapeMismatchError);
    expect(error).toBeInstanceOf(DrfError);
    expect(error.name).toBe('ShapeMismatchError');
    expect(error.message).toBe(
      "FeatureQueue.enqueue expected [*, 768], received [32, 512]; check the encoder's outputDim",
    );
    expect((error as DrfError).report).toEqual({
      subject: 'FeatureQueue.enqueue',
      expected: '[*, 768]',
      received: '[32, 512]',
      remedy: "check the encoder's outputDim",
    });
  });

  it.each([
    { shape: [768], expected: ['*', 768], message: 'Test expected [*, 768], received [768]' },
    { shape: [1, 32, 768], expected: [32, 768], message: 'Test expected [32, 768], received [1, 32, 768]' },
    { shape: [768, 32], expected: [32, 768], message: 'Test expected [32, 768], received [768, 32]' },
    { shape: [], expected: ['*'], message: 'Test expected [*], received []' },
    { shape: [1], expected: [], message: 'Test expected [], received [1]' },
  ] as const)('refuses $shape where $expected is due, without a dangling remedy', ({ shape, expected, message }) => {
    expect(errorOf(() => assertShape('Test', { shape }, expected)).message).toBe(message);
  });

  it('checks tensors as well as host tensors', () => {
    tf.tidy(() => {
      expect(() => assertShape('Test', tf.zeros([2, 3]), [2, '*'])).not.toThrow();
      expect(() => assertShape('Test', tf.zeros([2, 3]), [3, '*'])).toThrow('Test expected [3, *], received [2, 3]');
    });
  });
});
