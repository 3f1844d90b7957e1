import * as tf from '@tensorflow/tfjs';
import type { TrainableImageEncoder, TrainableTextEncoder } from '@drf/encoders';
import { createRandom, hostTensor, named, type HostTensor, type Random, type RgbImage } from '@drf/tensor';

/** Encoders small enough to be trained in a test; `read` is what they were given to preprocess. */
const SYMBOLS = 17;
const LENGTHS = [8, 32, 128];

function matrix(random: Random, rows: number, columns: number): HostTensor {
  return hostTensor(
    Float32Array.from({ length: rows * columns }, () => 0.5 * random.normal()),
    [rows, columns],
  );
}

type Layers = { readonly table: tf.Tensor2D; readonly kernel: tf.Tensor2D };

/**
 * Mean of the vectors of a text's characters, and a linear map. The table of vectors is frozen. A batch is padded to the
 * smallest of a few lengths that holds its longest text.
 */
export function tinyTrainableText(read: string[] = [], seed = 5): TrainableTextEncoder {
  const random = createRandom(seed).fork('text');
  return {
    id: `tiny-trainable-text-${seed}`,
    modality: 'text',
    trainable: true,
    outputDim: 6,
    maskToken: '#',
    initialParameters: { table: matrix(random.fork('table'), SYMBOLS, 5), kernel: matrix(random.fork('kernel'), 5, 6) },
    isTrained: (name) => name === 'kernel',
    preprocess: async (texts) => {
      read.push(...texts);
      const longest = Math.max(1, ...texts.map((text) => text.length));
      const length = LENGTHS.find((each) => each >= longest) ?? (LENGTHS.at(-1) as number);
      const ids = new Int32Array(texts.length * length);
      const mask = new Float32Array(texts.length * length);
      texts.forEach((text, row) => {
        for (let i = 0; i < Math.min(length, Math.max(1, text.length)); i++) {
          ids[row * length + i] = (text.charCodeAt(i) || 0) % SYMBOLS;
          mask[row * length + i] = 1;
        }
      });
      return { ids: hostTensor(ids, [texts.length, length]), mask: hostTensor(mask, [texts.length, length]) };
    },
    apply: (parameters, inputs) => {
      const { table, kernel } = parameters as Layers;
      const { ids, mask } = inputs as { ids: tf.Tensor; mask: tf.Tensor };
      const characters = tf.mul(tf.gather(table, tf.cast(ids, 'int32')), tf.expandDims(mask, 2)); // [batch, length, 5]
      const mean = tf.div(tf.sum(characters, 1), tf.sum(mask, 1, true)) as tf.Tensor2D; // [batch, 5]
      return named(tf.matMul(mean, kernel), ['batch', 'dim']); // [batch, 5] × [5, 6] → [batch, 6]
    },
    dispose: async () => undefined,
  };
}

/** Tanh of a linear map of an image's mean color and its share of black. */
export function tinyTrainableImage(read: RgbImage[] = []): TrainableImageEncoder {
  const describe = ({ data }: RgbImage): number[] => {
    const pixels = data.length / 3;
    const sums = [0, 0, 0, 0];
    for (let i = 0; i < data.length; i += 3) {
      const color = [data[i], data[i + 1], data[i + 2]] as number[];
      color.forEach((value, channel) => (sums[channel] = (sums[channel] as number) + value / 255 / pixels));
      if (color.every((value) => value === 0)) sums[3] = (sums[3] as number) + 1 / pixels;
    }
    return sums;
  };
  return {
    id: 'tiny-trainable-image',
    modality: 'image',
    trainable: true,
    outputDim: 5,
    initialParameters: { kernel: matrix(createRandom(6), 4, 5) },
    isTrained: () => true,
    preprocess: async (images) => {
      read.push(...images);
      return { pixels: hostTensor(images.flatMap(describe), [images.length, 4]) };
    },
    apply: ({ kernel }, { pixels }) =>
      named(tf.tanh(tf.matMul(pixels as tf.Tensor2D, kernel as tf.Tensor2D)), ['batch', 'dim']),
    dispose: async () => undefined,
  };
}
