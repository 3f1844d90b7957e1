import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { hostTensor, sizeOf } from './index.js';
import { toHost, toTensor } from './transfer.js';

beforeAll(async () => void (await tf.setBackend('cpu')));

describe('toTensor and toHost', () => {
  it('bring numbers into the backend and back, whatever the shape', async () => {
    const shapes = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(shapes, fc.boolean(), fc.infiniteStream(fc.integer()), async (shape, whole, numbers) => {
        const values = Array.from({ length: sizeOf(shape) }, () => numbers.next().value as number);
        const host = hostTensor(whole ? Int32Array.from(values) : values, shape);
        const tensor = toTensor(host);
        expect(tensor.dtype).toBe(host.dtype);
        expect(await toHost(tensor)).toEqual(host);
        tensor.dispose();
      }),
      { seed: 1, numRuns: 50 },
    );
  });

  it('copy: changing the one does not change the other', async () => {
    const data = Float32Array.of(1, 2);
    const tensor = toTensor(hostTensor(data, [2]));
    const read = await toHost(tensor);
    (read.data as Float32Array)[1] = 99;
    data[0] = 99;
    expect([...(await toHost(tensor)).data]).toEqual([1, 2]);
    tensor.dispose();
  });

  it('make int32 of booleans', async () => {
    const tensor = tf.tensor1d([true, false], 'bool');
    expect(await toHost(tensor)).toEqual(hostTensor(Int32Array.of(1, 0), [2]));
    tensor.dispose();
  });

  it('keep NaN and infinities', async () => {
    const tensor = toTensor(hostTensor([NaN, Infinity, -Infinity, -0], [4]));
    expect((await toHost(tensor)).data).toEqual(Float32Array.of(NaN, Infinity, -Infinity, -0));
    tensor.dispose();
  });
});
