import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEagerEngine } from '@drf/engine';
import { createRandom, type Engine, hostTensor, type RgbImage } from '@drf/tensor';
import { decodeGraphWeights } from './graph-weights.js';
import { createEmbeddedImageEncoder } from './image-encoder.js';
import { readMobileNetFiles } from './mobile-net.js';
import { loadGraphModel, maximumDifference } from '../testing/graph-model.js';

const POOLED =
  'StatefulPartitionedCall/sequential/keras_layer/StatefulPartitionedCall/StatefulPartitionedCall/' +
  'StatefulPartitionedCall/predict/feature_vector/SpatialSqueeze';

function randomImage(seed: string): RgbImage {
  const random = createRandom(seed);
  const tint = [random.uniform(0, 128), random.uniform(0, 128), random.uniform(0, 128)];
  const data = Uint8Array.from({ length: 224 * 224 * 3 }, (_, i) => (tint[i % 3] as number) + random.uniform(0, 127));
  return { width: 224, height: 224, data };
}

describe('MobileNetV2 out of nsfwjs', () => {
  let engine: Engine;
  beforeAll(async () => void (engine = await createEagerEngine('wasm')));
  afterAll(() => engine.dispose());

  it('equals the graph model of the same files on random images', async () => {
    await tf.setBackend('wasm');
    const images = [randomImage('a'), randomImage('b')];
    const encoder = await createEmbeddedImageEncoder(engine);
    const { pixels } = (await encoder.preprocess(images)) as { pixels: ReturnType<typeof hostTensor> };
    const model = await loadGraphModel(readMobileNetFiles());
    const input = tf.tensor(pixels.data, [2, 224, 224, 3]);
    const reference = model.execute(input, POOLED) as tf.Tensor;
    const expected = await reference.data();
    const features = await encoder.encode(images);
    expect(features.shape).toEqual([2, 1792]);
    expect(Math.max(...expected)).toBeGreaterThan(0.5);
    expect(maximumDifference(features.data, expected)).toBeLessThan(1e-4);
    const { tokens, mask } = (await encoder.encodeTokens?.(images)) ?? expect.fail('no tokens');
    expect(tokens.shape).toEqual([2, 49, 1792]);
    expect(mask.data.every((value) => value === 1)).toBe(true);
    const pooled = Float32Array.from({ length: 1792 }, (_, channel) => {
      let sum = 0;
      for (let place = 0; place < 49; place++) sum += tokens.data[place * 1792 + channel] as number;
      return sum / 49;
    });
    expect(maximumDifference(pooled, expected.slice(0, 1792))).toBeLessThan(1e-4);
    tf.dispose([input, reference]);
    model.dispose();
    await encoder.dispose();
  });

  it('decodes the weights as tfjs does', async () => {
    const { specs, bytes } = readMobileNetFiles();
    const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
    const reference = tf.io.decodeWeights(buffer, specs as tf.io.WeightsManifestEntry[]);
    const weights = decodeGraphWeights('test', specs, bytes);
    for (const { name, shape } of specs) {
      const ours = weights.take(name, shape);
      expect(maximumDifference(ours.data, await (reference[name] as tf.Tensor).data()), name).toBe(0);
    }
    tf.dispose(reference);
  });
});

describe('decodeGraphWeights', () => {
  const spec = { name: 'a', shape: [2], dtype: 'float32' };

  it('refuses too few bytes, unknown kinds, and weights of another shape', () => {
    expect(() => decodeGraphWeights('model X', [spec], new Uint8Array(7))).toThrow(
      'weights of model X expected 8 bytes, as its manifest says, received 7 bytes; install the package again',
    );
    expect(() => decodeGraphWeights('X', [{ ...spec, dtype: 'bool' }], new Uint8Array(8))).toThrow(
      'weight "a" expected float32, int32, or float32 quantized to uint8, received bool',
    );
    const weights = decodeGraphWeights('X', [spec], new Uint8Array(8));
    expect(weights.take('a', [2])).toEqual(hostTensor([0, 0], [2]));
    expect(() => weights.take('a', [3])).toThrow('weight "a" of X expected shape [3], received [2]; install');
    expect(() => weights.take('b', [])).toThrow('weight "b" of X expected shape [], received no such weight');
  });
});
