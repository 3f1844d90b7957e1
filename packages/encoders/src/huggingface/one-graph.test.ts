// A frozen encoder has one graph for all batches and lengths, whatever its features are made of.
import { createEngine } from '@drf/engine';
import { WorkerClient } from '@drf/onnx/worker';
import { type Engine, floatData, type RgbImage } from '@drf/tensor';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { HiddenStates, type PartedEncoder } from '../cache/hidden-states.js';
import { openEncoder, openTrainableEncoder } from '../open-encoder.js';
import { gradientImage } from '../testing/images.js';
import { temporaryFolder } from '../testing/temporary-folder.js';
import { writeTinyBert, writeTinyVit } from '../testing/tiny-transformers.js';
import { fewOf, textLengths } from './text-tokenizer.js';

let engine: Engine;
beforeAll(async () => void (engine = await createEngine('compiled', { threads: 2 })));
afterAll(() => engine.dispose());
afterEach(() => vi.restoreAllMocks());

const TEXTS = ['good day', '', 'bad '.repeat(12), 'the movie '.repeat(9), 'good', 'bad day', 'the the'];
const tinyBert = async (): Promise<string> => `huggingface:${await writeTinyBert(await temporaryFolder())}`;
const tinyVit = async (): Promise<string> => `huggingface:${await writeTinyVit(await temporaryFolder())}`;

const IMAGES: readonly RgbImage[] = Array.from({ length: 11 }, (_, i) => gradientImage(`image ${i}`, 20 + i, 30));

/** Counts sessions that worker threads make from now on. */
function countSessions(): () => number {
  const ask = vi.spyOn(WorkerClient.prototype, 'ask');
  return () => ask.mock.calls.filter(([{ kind }]) => kind === 'create').length;
}

describe('a frozen encoder', () => {
  it.each(['mean', 'cls', 'pooler', 'max', 'mean_sqrt_len', 'weightedmean', 'lasttoken'] as const)(
    'of texts, %s, makes its sessions once, and the same features in any company',
    async (pooling) => {
      const encoder = await openEncoder(await tinyBert(), 'text', engine, { pooling });
      const sessions = countSessions();
      await encoder.warmUp?.();
      expect(sessions()).toBe(3); // one of all threads, for a text that comes alone
      const together = floatData(await encoder.encode(TEXTS));
      for (const [i, text] of TEXTS.entries()) {
        const alone = floatData(await encoder.encode([text]));
        expect(alone).toEqual(together.slice(i * encoder.outputDim, (i + 1) * encoder.outputDim));
      }
      expect(sessions()).toBe(3);
      await encoder.dispose();
      await expect(encoder.warmUp?.()).rejects.toThrow('after dispose()');
    },
  );

  it.each(['cls', 'mean', 'pooler', 'cls_mean'] as const)('of images, %s, likewise', async (pooling) => {
    const encoder = await openEncoder(await tinyVit(), 'image', engine, { pooling });
    const sessions = countSessions();
    const together = floatData(await encoder.encode(IMAGES));
    const alone = floatData(await encoder.encode(IMAGES.slice(4, 5)));
    expect(alone).toEqual(together.slice(4 * encoder.outputDim, 5 * encoder.outputDim));
    expect(sessions()).toBe(3);
    await encoder.dispose();
  });
});

describe('hidden states', () => {
  const sessionsFor = async (change: (encoder: PartedEncoder<string>) => PartedEncoder<string>): Promise<number> => {
    const encoder = await openTrainableEncoder(await tinyBert(), 'text', {
      trainableLayers: 1,
      textLengths: [8, 16, 24],
    });
    const states = new HiddenStates(change(encoder as PartedEncoder<string>), { engine, example: '' });
    const sessions = countSessions();
    for (const text of TEXTS) await states.compute([text]);
    await states.close();
    return sessions();
  };

  it('are computed by one graph', async () => {
    expect(await sessionsFor((encoder) => encoder)).toBe(1);
  });

  it('of an encoder that does not say that sizes matter by shapes alone are computed by one for each size', async () => {
    const { dynamicAxes, ...split } =
      (await openTrainableEncoder(await tinyBert(), 'text', { trainableLayers: 1 })).split ?? {};
    expect(dynamicAxes).toEqual(['batch', 'length']);
    expect(await sessionsFor((encoder) => Object.assign(encoder, { split }))).toBeGreaterThan(1);
  });
});

describe('fewOf', () => {
  it('keeps the lengths of steps and the last one of many, and all of few', () => {
    expect(fewOf(textLengths('frozen', 200, 512))).toEqual([16, 32, 48, 64, 96, 128, 200]);
    expect(fewOf(textLengths('frozen', 24, 512))).toEqual([8, 16, 24]);
    expect(fewOf([5, 64])).toEqual([5, 64]);
  });
});

describe('textLengths', () => {
  it('are eights for frozen encoders, few for steps of training, and those that are given', () => {
    expect(textLengths('frozen', 30, 512)).toEqual([8, 16, 24, 30]);
    expect(textLengths('frozen', 32, 512)).toEqual([8, 16, 24, 32]);
    expect(textLengths('frozen', 512, 512)).toHaveLength(64);
    expect(textLengths('trained', 100, 512)).toEqual([16, 32, 48, 64, 96, 100]);
    expect(textLengths('trained', 512, 512)).toEqual([16, 32, 48, 64, 96, 128, 512]);
    expect(textLengths('frozen', 512, 512, [64, 5])).toEqual([5, 64]);
  });
});
