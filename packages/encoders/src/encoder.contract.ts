import { isDeepStrictEqual } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError, flattenTree, type HostTensor } from '@drf/tensor';
import type { FrozenEncoder } from './contract.js';
import { maximumDifference } from './testing/graph-model.js';

export interface EncoderContractCase<Content> {
  readonly create: () => Promise<FrozenEncoder<Content>>;
  /** At least three contents with features that differ clearly. */
  readonly contents: readonly Content[];
  /** What callers without types pass by mistake, with what the message must say. */
  readonly unusable: readonly (readonly [content: unknown, message: RegExp])[];
}

function rowsOf({ data, shape }: HostTensor): Float32Array[] {
  const width = shape[1] as number;
  return Array.from({ length: shape[0] as number }, (_, i) => (data as Float32Array).slice(i * width, (i + 1) * width));
}

/** What every frozen encoder does, whatever the model. */
export function describeEncoderContract<Content>(name: string, test: EncoderContractCase<Content>): void {
  describe(`encoder contract: ${name}`, () => {
    let encoder: FrozenEncoder<Content>;
    let alone: Float32Array[];
    beforeAll(async () => {
      encoder = await test.create();
      const features: HostTensor[] = [];
      for (const content of test.contents) features.push(await encoder.encode([content]));
      alone = features.flatMap(rowsOf);
    });
    afterAll(() => encoder.dispose());

    it('describes itself, with an id that a second instance shares', async () => {
      expect(encoder.id).toMatch(/\S/);
      expect(['image', 'text']).toContain(encoder.modality);
      expect(encoder.trainable).toBe(false);
      expect(encoder.outputDim).toBeGreaterThan(0);
      const second = await test.create();
      expect(second.id).toBe(encoder.id);
      await second.dispose();
    });

    it('gives finite float32 [contents, outputDim], different for different contents', async () => {
      const features = await encoder.encode(test.contents);
      expect(features.shape).toEqual([test.contents.length, encoder.outputDim]);
      expect(features.dtype).toBe('float32');
      expect(features.data.every(Number.isFinite)).toBe(true);
      for (let i = 1; i < alone.length; i++) {
        expect(maximumDifference(alone[0] as Float32Array, alone[i] as Float32Array)).toBeGreaterThan(1e-3);
      }
    });

    it('is deterministic', async () => {
      const again = await encoder.encode(test.contents.slice(0, 1));
      expect(maximumDifference(again.data, alone[0] as Float32Array)).toBe(0);
    });

    it('keeps the order, and no feature depends on the rest of its batch', async () => {
      const order = [...test.contents.keys()].reverse();
      const places = [...order, 0]; // a repeat makes another batch size
      const rows = rowsOf(await encoder.encode(places.map((i) => test.contents[i] as Content)));
      places.forEach((i, row) => {
        const difference = maximumDifference(rows[row] as Float32Array, alone[i] as Float32Array);
        if (encoder.isBatchInvariant === true) expect(difference, `row ${row}`).toBe(0);
        else expect(difference, `row ${row}`).toBeLessThan(1e-5);
      });
    });

    it('leaves contents as they are', async () => {
      const before = structuredClone(test.contents);
      await encoder.encode(test.contents.slice(0, 1));
      await encoder.preprocess(test.contents);
      expect(isDeepStrictEqual(test.contents, before)).toBe(true);
    });

    it('takes an empty batch', async () => {
      expect((await encoder.encode([])).shape).toEqual([0, encoder.outputDim]);
    });

    it('preprocesses into rows in the order of the contents', async () => {
      for (const [leaf, tensor] of flattenTree(await encoder.preprocess(test.contents))) {
        expect(tensor.shape[0], leaf).toBe(test.contents.length);
        expect(
          tensor.data.every((value: number) => Number.isFinite(value)),
          leaf,
        ).toBe(true);
      }
    });

    it('refuses unusable contents by their place', async () => {
      for (const [content, message] of test.unusable) {
        const batch = [test.contents[0], content] as Content[];
        for (const call of [encoder.encode(batch), encoder.preprocess(batch)]) {
          const error = await call.catch((caught: unknown) => caught);
          expect(error).toBeInstanceOf(DataError);
          expect((error as Error).message).toMatch(message);
        }
      }
    });

    it('gives token outputs with a mask, if it has any', async () => {
      if (encoder.tokenDim === undefined) return;
      const own = await test.create();
      const count = 2;
      const contents = test.contents.slice(0, count);
      const { tokens, mask, pieces } = (await own.encodeTokens?.(contents)) ?? expect.fail('no encodeTokens');
      expect(tokens.shape).toEqual([count, mask.shape[1], encoder.tokenDim]);
      expect(mask.shape[0]).toBe(count);
      expect(mask.data.every((value) => value === 0 || value === 1)).toBe(true);
      expect(tokens.data.every(Number.isFinite)).toBe(true);
      if (pieces !== undefined) expect([pieces.dtype, pieces.shape]).toEqual(['int32', mask.shape]);
      const none = (await own.encodeTokens?.([])) ?? expect.fail('no encodeTokens');
      expect(none.tokens.shape[0]).toBe(0);
      await own.dispose();
    });

    it('leaves no tensor behind', async () => {
      const before = tf.memory().numTensors;
      const own = await test.create();
      await own.encode(test.contents.slice(0, 1));
      await own.encodeTokens?.(test.contents.slice(0, 1));
      await own.dispose();
      expect(tf.memory().numTensors).toBe(before);
    });

    it('can be disposed twice, and refuses work after', async () => {
      const own = await test.create();
      await own.dispose();
      await own.dispose();
      await expect(own.encode(test.contents)).rejects.toThrow(
        /expected to be used before it is disposed, received a call after dispose\(\); open the encoder again/,
      );
    });
  });
}
