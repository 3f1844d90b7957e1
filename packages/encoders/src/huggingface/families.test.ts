import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import { readSafetensors, writeJsonAtomic, writeSafetensors } from '@drf/files';
import { ConfigurationError, type Engine, type HostTensor, type Modality } from '@drf/tensor';
import type { FrozenEncoder } from '../contract.js';
import { openEncoder, openTrainableEncoder } from '../open-encoder.js';
import { maximumDifference } from '../testing/graph-model.js';
import { gradientImage } from '../testing/images.js';
import { fixturePath } from '../testing/reference.js';
import { temporaryFolder } from '../testing/temporary-folder.js';
import { imagePreprocessor, TOKENIZER_CONFIG, wordPieceTokenizer } from '../testing/tiny-preprocessing.js';
import { writeTinyBert, writeTinyVit } from '../testing/tiny-transformers.js';

let engine: Engine;
beforeAll(async () => void (engine = await createEngine('eager:cpu')));
afterAll(() => engine.dispose());

const IMAGES = [gradientImage('a', 20, 30), gradientImage('b', 8, 8)];
const TEXTS = ['good day', 'a', '', 'good '.repeat(30)];

/** A tokenizer of 24 words; texts end with number 9, padding has number 0. */
function tokenizerEndingWith9(): object {
  const words = ['[PAD]', '[UNK]', '[CLS]', 'good', 'bad', 'day', 'movie', 'the', 'a', '[SEP]'];
  const all = [...words, ...Array.from({ length: 14 }, (_, i) => `word${i}`)];
  const tokenizer = wordPieceTokenizer(all, 3) as {
    added_tokens: object[];
    post_processor: { special_tokens: Record<string, { ids: number[] }> };
  };
  (tokenizer.post_processor.special_tokens['[SEP]'] as { ids: number[] }).ids = [9];
  const [first] = tokenizer.added_tokens;
  return { ...tokenizer, added_tokens: [...tokenizer.added_tokens, { ...first, id: 9, content: '[SEP]' }] };
}

/** A copy of a fixture with what prepares its contents. */
async function modelFolder(name: string): Promise<string> {
  const folder = await temporaryFolder();
  await cp(fixturePath(name), folder, { recursive: true });
  await writeJsonAtomic(join(folder, 'tokenizer.json'), tokenizerEndingWith9());
  await writeJsonAtomic(join(folder, 'tokenizer_config.json'), { ...TOKENIZER_CONFIG, model_max_length: 12 });
  await writeJsonAtomic(join(folder, 'preprocessor_config.json'), imagePreprocessor(8));
  return folder;
}

async function json(folder: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as Record<string, unknown>;
}

/** One folder with both towers, as the hub has them. */
async function twoTowers(family: 'clip' | 'siglip'): Promise<Record<'image' | 'text' | 'both', string>> {
  const [image, text, both] = await Promise.all(
    [`${family}-vision`, `${family}-text`, `${family}-text`].map(modelFolder),
  );
  const folders = { image: image as string, text: text as string, both: both as string };
  const below = async (folder: string, prefix: string): Promise<(readonly [string, HostTensor])[]> =>
    [...(await readSafetensors(join(folder, 'model.safetensors'))).tensors].map(([name, tensor]) => [
      /^(text_model|vision_model|.*projection)\./.test(name) ? name : `${prefix}.${name}`,
      tensor,
    ]);
  const tensors = [...(await below(folders.image, 'vision_model')), ...(await below(folders.text, 'text_model'))];
  await writeSafetensors(join(folders.both, 'model.safetensors'), {
    tensors: new Map([...tensors, ['logit_scale', { dtype: 'float32', shape: [], data: Float32Array.of(1) } as const]]),
    metadata: { format: 'pt' },
  });
  await writeJsonAtomic(join(folders.both, 'config.json'), {
    model_type: family,
    projection_dim: 6,
    vision_config: await json(folders.image),
    text_config: await json(folders.text),
  });
  return folders;
}

async function encode(folder: string, modality: Modality, options = {}) {
  const name = `huggingface:${folder}`;
  return modality === 'image'
    ? encodeAll(await openEncoder(name, modality, engine, options), IMAGES)
    : encodeAll(await openEncoder(name, modality, engine, options), TEXTS);
}

async function encodeAll<Content>(encoder: FrozenEncoder<Content>, contents: readonly Content[]) {
  const { data, shape } = await encoder.encode(contents);
  const { id, outputDim } = encoder;
  await encoder.dispose();
  return { id, outputDim, data, shape };
}

describe.each(['clip', 'siglip'] as const)('a folder with both towers of %s', (family) => {
  it('is an encoder of images and one of texts, each as it is by itself; features are the embeddings', async () => {
    const { image, text, both } = await twoTowers(family);
    for (const [modality, alone] of [
      ['image', image],
      ['text', text],
    ] as const) {
      const received = await encode(both, modality);
      const expected = await encode(alone, modality);
      expect(received.data).toEqual(expected.data);
      expect(received.outputDim).toBe(family === 'siglip' && modality === 'image' ? 8 : 6);
      expect(received.id).toContain(':pooler:');
      const trainable = await openTrainableEncoder(`huggingface:${both}`, modality, { trainableLayers: 1 });
      expect([trainable.outputDim, trainable.split?.layer]).toEqual([received.outputDim, 1]);
    }
  });
});

describe('SigLIP', () => {
  it('reads every text at its full length, padding like any other token', async () => {
    const folder = await modelFolder('siglip-text');
    const encoder = await openTrainableEncoder(`huggingface:${folder}`, 'text');
    const { ids, mask } = (await encoder.preprocess(['good'])) as { ids: HostTensor; mask: HostTensor };
    expect([...ids.data]).toEqual([2, 3, 9, ...Array<number>(9).fill(0)]);
    expect([...mask.data]).toEqual([1, 1, 1, ...Array<number>(9).fill(0)]);
    await expect(openTrainableEncoder(`huggingface:${folder}`, 'text', { textLengths: [4] })).rejects.toThrow(
      'textLengths, expected 12, received [4]; leave them out: the model reads padding, and 12 tokens always',
    );
    await writeJsonAtomic(join(folder, 'tokenizer_config.json'), { ...TOKENIZER_CONFIG, pad_token: undefined });
    await expect(openTrainableEncoder(`huggingface:${folder}`, 'text')).rejects.toThrow(/expected "pad_token"/);
  });

  it('has no class token to make features of', async () => {
    const folder = await modelFolder('siglip-vision');
    await expect(encode(folder, 'image', { pooling: 'cls_mean' })).rejects.toThrow(
      /pooling "cls_mean" of .* expected a model with a class token, received one of patches alone/,
    );
    expect((await encode(folder, 'image', { pooling: 'mean' })).outputDim).toBe(8);
  });
});

describe('CLIP', () => {
  it('needs the token that its configuration says texts end with', async () => {
    const folder = await modelFolder('clip-text');
    await writeFile(join(folder, 'config.json'), JSON.stringify({ ...(await json(folder)), eos_token_id: 11 }));
    await expect(encode(folder, 'text')).rejects.toThrow(/expected texts that end with the number 11/);
  });

  it('has no feature in the first token of a text, which sees no other', async () => {
    const folder = await modelFolder('clip-text');
    await expect(encode(folder, 'text', { pooling: 'cls' })).rejects.toThrow(
      /pooling "cls" expected tokens that see the whole text, .* choose the pooling "lasttoken" or "mean"/,
    );
    const { data, shape } = await encode(folder, 'text', { pooling: 'lasttoken' });
    const [, width] = shape as [number, number];
    expect(data.slice(0, width)).not.toEqual(data.slice(width, 2 * width));
  });

  it('without a projection names poolings that tell texts apart', async () => {
    const folder = await modelFolder('clip-text');
    const file = join(folder, 'model.safetensors');
    const { tensors, metadata } = await readSafetensors(file);
    const bare = new Map([...tensors].filter(([name]) => !name.startsWith('text_projection')));
    expect(bare.size).toBeLessThan(tensors.size);
    await writeSafetensors(file, { tensors: bare, metadata });
    await expect(encode(folder, 'text')).rejects.toThrow(
      /pooling "pooler" expected a pooler in the weights of .*, received none; choose the pooling "lasttoken" or "mean"/,
    );
  });
});

describe('imageSize', () => {
  it('scales positions and preprocessing, and is part of the id', async () => {
    const folder = await writeTinyVit(await temporaryFolder());
    const own = await encode(folder, 'image');
    const same = await encode(folder, 'image', { imageSize: 16 });
    expect(same.data).toEqual(own.data);
    expect([own.id.includes('px'), same.id.includes(':px16:')]).toEqual([false, true]);
    const larger = await openEncoder(`huggingface:${folder}`, 'image', engine, { imageSize: 24 });
    const tokens = await larger.encodeTokens?.(IMAGES);
    expect(tokens?.tokens.shape).toEqual([2, 9, 8]);
    expect(((await larger.preprocess(IMAGES))['pixels'] as HostTensor).shape).toEqual([2, 24, 24, 3]);
    const again = await openEncoder(`huggingface:${folder}`, 'image', engine, { imageSize: 24, expectedId: larger.id });
    expect(again.id).toBe(larger.id);
    await Promise.all([larger.dispose(), again.dispose()]);
  });

  it.each([
    [20, 'a multiple of 8, the side of its patches, up to 1024 pixels, received 20; choose 16 or 24'],
    [2, 'received 2; choose 8'],
    [5000, 'received 5000; choose 1024'],
  ])('refuses %i, naming sizes that go', async (imageSize, message) => {
    const folder = await writeTinyVit(await temporaryFolder());
    const attempt = encode(folder, 'image', { imageSize });
    await expect(attempt).rejects.toThrow(ConfigurationError);
    await expect(attempt).rejects.toThrow(message);
  });

  it('is refused for texts', async () => {
    const folder = await writeTinyBert(await temporaryFolder());
    await expect(encode(folder, 'text', { imageSize: 112 })).rejects.toThrow(
      /imageSize, expected nothing beside texts/,
    );
  });
});

describe('pooling cls_mean', () => {
  it('is the class token, and the mean of the patches', async () => {
    const folder = await modelFolder('dinov2');
    const both = await encode(folder, 'image', { pooling: 'cls_mean' });
    const first = await encode(folder, 'image', { pooling: 'cls' });
    const encoder = await openEncoder(`huggingface:${folder}`, 'image', engine);
    const { tokens } = (await encoder.encodeTokens?.(IMAGES)) as { tokens: HostTensor };
    await encoder.dispose();
    expect(both.shape).toEqual([2, 16]);
    const [, count, dim] = tokens.shape as [number, number, number];
    const mean = (i: number): number => {
      const places = Array.from({ length: count }, (_, place) => tokens.data[place * dim + i] as number);
      return places.reduce((sum, each) => sum + each, 0) / count;
    };
    const expected = [...first.data.slice(0, 8), ...Array.from({ length: 8 }, (_, i) => mean(i))];
    expect(maximumDifference(both.data.slice(0, 16), expected)).toBeLessThan(1e-5);
  });

  it('is refused for texts', async () => {
    const folder = await writeTinyBert(await temporaryFolder());
    await expect(encode(folder, 'text', { pooling: 'cls_mean' })).rejects.toThrow(/texts, which have no patches/);
  });
});
