import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { createEngine } from '@drf/engine';
import { floatData, type Engine, type HostTensor, type HostTree, type RgbImage } from '@drf/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTrainableEncoder } from '../open-encoder.js';
import { gradientImage } from '../testing/images.js';
import { temporaryFolder } from '../testing/temporary-folder.js';
import { writeTinyBert, writeTinyVit } from '../testing/tiny-transformers.js';
import { HiddenStates, isParted, upperEncoder, type PartedEncoder } from './hidden-states.js';

const TEXTS = ['good', 'a good day', 'bad movie day the a good bad movie !', '', 'the day', 'good'];
const IMAGES = ['a', 'b', 'c'].map((seed) => gradientImage(seed, 20, 16));

let engine: Engine;
let models: string;
let text: PartedEncoder<string>;
let image: PartedEncoder<RgbImage>;
beforeAll(async () => {
  engine = await createEngine('eager:cpu');
  models = await mkdtemp(join(tmpdir(), 'drf-states-'));
  const options = { trainableLayers: 1 };
  const [bert, vit] = [await writeTinyBert(join(models, 'bert')), await writeTinyVit(join(models, 'vit'))];
  const opened = [
    await openTrainableEncoder(`huggingface:${bert}`, 'text', { ...options, textLengths: [4, 10, 24] }),
    await openTrainableEncoder(`huggingface:${vit}`, 'image', options),
  ] as const;
  if (!isParted<string>(opened[0]) || !isParted<RgbImage>(opened[1])) throw new Error('parted encoders are due');
  [text, image] = opened;
});
afterAll(async () => {
  await engine.dispose();
  await rm(models, { recursive: true });
});

const itemsOf = <Content>(contents: readonly Content[], loads: Content[] = []) =>
  contents.map((content, i) => ({
    key: typeof content === 'string' ? content : `image ${i}`,
    load: async () => (loads.push(content), content),
  }));

/** The largest difference from what the lower layers give of the batch, where no padding stands. */
function difference(received: HostTree, due: HostTree): number {
  const [own, other] = [received.states as HostTensor, due.states as HostTensor];
  expect(own.shape).toEqual(other.shape);
  const mask = received.mask === undefined ? undefined : floatData(received.mask as HostTensor);
  const dim = own.shape[2] as number;
  return floatData(own).reduce((most, value, i) => {
    if (mask !== undefined && mask[Math.floor(i / dim)] === 0) return most;
    return Math.max(most, Math.abs(value - (floatData(other)[i] as number)));
  }, 0);
}

describe('HiddenStates', () => {
  it.each([
    ['float32', 1e-6],
    ['float16', 4e-3],
  ] as const)('gives what the lower layers compute, texts of all lengths: %s', async (storage, tolerance) => {
    const states = new HiddenStates(text, { root: await temporaryFolder(), engine, example: '', storage });
    await states.encode({ items: itemsOf(TEXTS) });
    for (const texts of [TEXTS, TEXTS.slice(0, 1), [TEXTS[2] as string, '']]) {
      const received = await states.gather(texts.map((content) => ({ key: content, content })));
      const due = await states.compute(texts);
      expect(difference(received, due)).toBeLessThan(tolerance);
      expect([received.mask, received.ids]).toEqual([due.mask, due.ids]);
    }
    await states.close();
  });

  it('gives what the lower layers compute of images, of which it knows the tokens when it is opened again', async () => {
    const root = await temporaryFolder();
    const states = new HiddenStates(image, { root, engine, example: IMAGES[0] as RgbImage });
    await states.encode({ items: itemsOf(IMAGES) });
    await states.close();
    const again = new HiddenStates(image, { root, engine: NO_ENGINE, example: IMAGES[0] as RgbImage });
    expect(await again.tokensOf([undefined])).toEqual([5]); // a class token and 2 × 2 patches
    const wanted = [2, 0].map((i) => ({ key: `image ${i}`, content: undefined }));
    const due = await states.compute([IMAGES[2] as RgbImage, IMAGES[0] as RgbImage]);
    expect(difference(await again.gather(wanted), due)).toBeLessThan(4e-3);
    expect(again.rowBytes(5)).toBe(5 * 8 * 2);
    await again.close();
    await states.close();
  });

  it('computes each content once, whoever asks, and keeps them in memory where there is no folder', async () => {
    const root = await temporaryFolder();
    const options = { root, engine, example: '' };
    const loads: string[] = [];
    const progress: number[] = [];
    const states = new HiddenStates(text, options);
    await states.encode({ items: itemsOf(TEXTS, loads), total: TEXTS.length, onProgress: ({ done }) => progress.push(done) }); // prettier-ignore
    expect(progress.at(-1)).toBe(TEXTS.length);
    await states.close();
    const others = new HiddenStates(text, { ...options, engine: NO_ENGINE });
    const tokens = await others.tokensOf(TEXTS);
    expect(await others.has(TEXTS, tokens)).toEqual(TEXTS.map(() => true));
    await others.encode({ items: itemsOf(TEXTS) });
    const inMemory = new HiddenStates(text, { engine, example: '' });
    await inMemory.encode({ items: itemsOf(TEXTS) });
    const wanted = [{ key: 'a good day', content: 'a good day' }];
    expect(await inMemory.gather(wanted)).toEqual(await others.gather(wanted)); // rounded alike
    await others.close();
    await inMemory.close();
  });

  it('goes on where it was stopped, and names what is not there or damaged', async () => {
    const root = await temporaryFolder();
    const states = new HiddenStates(image, { root, engine, example: IMAGES[0] as RgbImage });
    const stop = new AbortController();
    const encoding = states.encode({
      items: itemsOf(IMAGES),
      batchSize: 1,
      signal: stop.signal,
      onProgress: ({ encoded }) => void (encoded === 1 && stop.abort(new Error('stop'))),
    });
    await expect(encoding).rejects.toThrow('stop');
    expect(await states.has(['image 0', 'image 2'], [5, 5])).toEqual([true, false]);
    await expect(states.gather([{ key: 'image 2', content: undefined }])).rejects.toThrow(
      /Hidden states image 2 of .*:below-1 expected the row that was stored, received none, or a damaged one/,
    );
    await states.encode({ items: itemsOf(IMAGES) });
    await states.close();
    const [file] = (await readdir(root, { recursive: true })).filter((name) => name.endsWith('.rows'));
    const bytes = await readFile(join(root, file as string));
    bytes[3] = (bytes[3] as number) ^ 0xff;
    await writeFile(join(root, file as string), bytes);
    await expect(states.gather([{ key: 'image 0', content: undefined }])).rejects.toThrow(
      /received none, or a damaged/,
    );
    await states.close();
  });

  it('finds what another has stored since it was opened, even once it is closed', async () => {
    const root = await temporaryFolder();
    const options = { root, engine, example: IMAGES[0] as RgbImage };
    const [first, second] = [new HiddenStates(image, options), new HiddenStates(image, options)];
    await first.encode({ items: itemsOf(IMAGES).slice(0, 1) });
    await first.close();
    await second.encode({ items: itemsOf(IMAGES) });
    const wanted = [{ key: 'image 2', content: undefined }];
    expect(await first.gather(wanted)).toEqual(await second.gather(wanted));
    await first.close();
    await second.close();
  });

  it('lets one compute what several want at once, and the others take it over', async () => {
    const root = await temporaryFolder();
    const loads: RgbImage[] = [];
    const several = [1, 2, 3].map(() => new HiddenStates(image, { root, engine, example: IMAGES[0] as RgbImage }));
    const counts = several.map(() => 0);
    await Promise.all(
      several.map(
        (states, i) =>
        states.encode({ items: itemsOf(IMAGES, loads), batchSize: 1, onProgress: ({ encoded }) => void (counts[i] = encoded) }), // prettier-ignore
      ),
    );
    expect(counts.toSorted()).toEqual([0, 0, IMAGES.length]);
    expect(loads).toHaveLength(IMAGES.length);
    expect((await readdir(root, { recursive: true })).filter((name) => name.endsWith('.lock'))).toEqual([]);
    for (const states of several) await states.close();
  });

  it('waits no longer for another once it is told to stop, and for none that wants other contents', async () => {
    const root = await temporaryFolder();
    const options = { root, engine, example: IMAGES[0] as RgbImage };
    const [first, second] = [new HiddenStates(image, options), new HiddenStates(image, options)];
    let [go, start] = [(): void => undefined, (): void => undefined];
    const going = new Promise<void>((resolve) => void (go = resolve));
    const started = new Promise<void>((resolve) => void (start = resolve));
    const held = itemsOf(IMAGES).map((item) => ({ ...item, load: async () => (start(), await going, item.load()) }));
    const computing = first.encode({ items: held });
    await started;
    const signal = AbortSignal.timeout(500);
    await expect(second.encode({ items: itemsOf(IMAGES), signal })).rejects.toThrow('aborted due to timeout');
    await second.encode({ items: itemsOf(IMAGES).slice(0, 1) });
    go();
    await computing;
    await first.close();
    await second.close();
  });

  it.each(['in memory', 'on disk'])(
    'refuses states that half precision cannot hold, naming the content: %s',
    async (place) => {
      const root = place === 'on disk' ? await temporaryFolder() : undefined;
      const enlarged: PartedEncoder<string> = {
        ...text,
        preprocess: (texts) => text.preprocess(texts),
        split: {
          ...text.split,
          lower: (parameters, inputs) => {
            const { states, ...others } = text.split.lower(parameters, inputs);
            return { ...others, states: tf.add(tf.mul(states as tf.Tensor, 0), 65_520) };
          },
        },
      };
      const items = itemsOf(['good']).map((item) => ({ ...item, name: 'post 7' }));
      const half = new HiddenStates(enlarged, { root, engine, example: '' });
      await expect(half.encode({ items })).rejects.toThrow(
        /feature of post 7 .* numbers up to 65,504, .* received 65520 at index 0; .*--encoders\.cache-states false/,
      );
      await half.close();
      const whole = new HiddenStates(enlarged, { root, engine, example: '', storage: 'float32' });
      await whole.encode({ items });
      const { states } = await whole.gather([{ key: 'good', content: 'good' }]);
      expect(floatData(states as HostTensor)[0]).toBe(65_520);
      await whole.close();
    },
  );

  it('leaves out what cannot be loaded, naming it', async () => {
    const states = new HiddenStates(text, { root: await temporaryFolder(), engine, example: '' });
    const broken = { key: 'broken', name: 'post 7', load: () => Promise.reject(new RangeError('no text')) };
    const failed: string[] = [];
    await states.encode({
      items: [broken, ...itemsOf(['good'])],
      onRowError: ({ name }, { message }) => failed.push(`${name}: ${message}`),
    });
    expect(failed).toEqual([expect.stringMatching(/post 7: .*no text/)]);
    expect(await states.has(['good'], await states.tokensOf(['good']))).toEqual([true]);
    await states.close();
  });

  it('refuses encoders whose states it cannot keep', async () => {
    const without = { ...text, tokenDim: undefined, preprocess: (texts: readonly string[]) => text.preprocess(texts) };
    expect(() => new HiddenStates(without, { engine, example: '' })).toThrow(
      /expected tokenDim, the width of its hidden states/,
    );
    const narrow = { ...without, tokenDim: 3, initialParameters: text.initialParameters };
    const states = new HiddenStates(narrow, { engine, example: '' });
    await expect(states.encode({ items: itemsOf(['good']) })).rejects.toThrow(
      /\[batch, token, tokenDim 3\], received \[1, 4, 8\]/,
    );
    await states.close();
    const maskless = { ...narrow, preprocess: async () => ({}) };
    await expect(new HiddenStates(maskless, { engine, example: '' }).tokensOf([''])).rejects.toThrow(
      /a "mask" \[batch, token\]/,
    );
  });
});

describe('upperEncoder', () => {
  it('is the encoder above its frozen layers, with its parameters but for those below', async () => {
    const upper = upperEncoder(text, { engine, example: '' });
    const names = Object.keys(upper.initialParameters.layers as HostTree);
    expect([names, Object.keys(upper.beneath.layers as HostTree)]).toEqual([['1'], ['0']]);
    expect(upper.id).toBe(`${text.id}:from-1`);
    expect(upper.maskToken).toBe('[MASK]');
    const features = async (encoder: Pick<PartedEncoder<string>, 'apply' | 'preprocess' | 'initialParameters'>) => {
      const program = await engine.prepare((parameters, inputs) => ({ features: encoder.apply(parameters, inputs) }), encoder.initialParameters); // prettier-ignore
      const { data } = (await program.run(await encoder.preprocess(TEXTS))).features;
      await program.dispose();
      return data;
    };
    const [own, due] = [await features(upper), await features(text)];
    own.forEach((value, i) => expect(value).toBeCloseTo(due[i] as number, 6));
    await upper.dispose();
  });
});

/** For what must compute nothing. */
const NO_ENGINE: Engine = {
  name: 'none',
  prepare: () => Promise.reject(new Error('nothing is to be computed')),
  prepareStep: () => Promise.reject(new Error('nothing is to be computed')),
  dispose: () => Promise.resolve(),
};
