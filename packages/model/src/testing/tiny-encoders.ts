import * as tf from '@tensorflow/tfjs';
import { createRandom, hostTensor, named, type HostTree, type Random } from '@drf/tensor';
import type { StepEncoder } from '../encoded-method.js';

/** Words of the tiny text encoder's table, and its width. */
const VOCABULARY = 7;

function matrix(random: Random, rows: number, columns: number): ReturnType<typeof hostTensor> {
  const values = Float32Array.from({ length: rows * columns }, () => 0.5 * random.normal());
  return hostTensor(values, [rows, columns]);
}

/**
 * Mean of word vectors, then a linear map: reads `ids` int32 [batch, length] and `mask` [batch, length]. Its `frozen`
 * table gets no gradient.
 */
export function tinyTextEncoder(outputDim: number, seed = 11): StepEncoder {
  const random = createRandom(seed);
  const initialParameters: HostTree = {
    frozen: matrix(random.fork('table'), VOCABULARY, 3),
    map: {
      kernel: matrix(random.fork('map'), 3, outputDim),
      bias: hostTensor(new Float32Array(outputDim), [outputDim]),
    },
  };
  return {
    outputDim,
    initialParameters,
    isTrained: (name) => name !== 'frozen',
    apply: (parameters, inputs) => {
      const { frozen, map } = parameters as { frozen: tf.Tensor; map: { kernel: tf.Tensor; bias: tf.Tensor } };
      const { ids, mask } = inputs as { ids: tf.Tensor; mask: tf.Tensor };
      const words = tf.mul(tf.gather(frozen, tf.cast(ids, 'int32')), tf.expandDims(mask, 2)); // [batch, length, 3]
      const mean = tf.div(tf.sum(words, 1), tf.sum(mask, 1, true)); // [batch, 3]
      return named(tf.add(tf.matMul(mean, map.kernel as tf.Tensor2D), map.bias), ['batch', 'dim']);
    },
  };
}

/** One linear map of all pixels: reads `pixels` [batch, 2, 2, 3]. */
export function tinyImageEncoder(outputDim: number, seed = 12): StepEncoder {
  return {
    outputDim,
    initialParameters: { kernel: matrix(createRandom(seed), 12, outputDim) },
    apply: (parameters, { pixels }) => {
      const flat = tf.reshape(pixels as tf.Tensor, [-1, 12]);
      return named(tf.tanh(tf.matMul(flat, parameters.kernel as tf.Tensor2D)), ['batch', 'dim']);
    },
  };
}

/** Contents of a batch as the tiny encoders read them. */
export function tinyContents(batch: number, seed = 13): { image: HostTree; text: HostTree } {
  const random = createRandom(seed);
  const ids = Int32Array.from({ length: batch * 4 }, () => random.integer(VOCABULARY));
  const mask = Float32Array.from({ length: batch * 4 }, (_, i) => (i % 4 < 1 + (Math.floor(i / 4) % 4) ? 1 : 0));
  const pixels = Float32Array.from({ length: batch * 12 }, () => random.normal());
  return {
    image: { pixels: hostTensor(pixels, [batch, 2, 2, 3]) },
    text: { ids: hostTensor(ids, [batch, 4]), mask: hostTensor(mask, [batch, 4]) },
  };
}
