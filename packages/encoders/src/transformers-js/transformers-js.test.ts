import { rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { env } from '@huggingface/transformers';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { ConfigurationError, type HostTensor, type RgbImage, UnavailableError } from '@drf/tensor';
import { createTransformersEncoder } from '../open-encoder.js';
import { maximumDifference } from '../testing/graph-model.js';
import { temporaryFolder } from '../testing/temporary-folder.js';
import { IMAGE_DIM, TEXT_DIM, tokenEmbedding, writeImageModel, writeTextModel } from '../testing/tiny-models.js';
import type { TransformersEncoderOptions } from './load-model.js';

/** No test reaches the network: the library's own fetch is what a test says. */
const fetched = vi.fn<(url: string | URL) => Promise<Response>>();
beforeEach(() => {
  fetched.mockReset().mockRejectedValue(new TypeError('fetch failed', { cause: new Error('ENOTFOUND') }));
  env.fetch = fetched;
});

function open<const Options extends TransformersEncoderOptions>(options: Options) {
  return createTransformersEncoder(options).then((encoder) => {
    onTestFinished(() => encoder.dispose());
    return encoder;
  });
}

async function failure(options: TransformersEncoderOptions): Promise<Error> {
  return createTransformersEncoder(options).then(
    () => expect.fail('it opened'),
    (error: unknown) => error as Error,
  );
}

function mean(...tokens: number[]): number[] {
  const rows = tokens.map(tokenEmbedding);
  return Array.from(
    { length: TEXT_DIM },
    (_, i) => rows.reduce((sum, row) => sum + (row[i] as number), 0) / rows.length,
  );
}

function expectRows(features: HostTensor, ...rows: number[][]): void {
  expect(features.shape).toEqual([rows.length, rows[0]?.length]);
  expect(maximumDifference(features.data, rows.flat())).toBeLessThan(1e-5);
}

function plain(width: number, height: number, value: number): RgbImage {
  return { width, height, data: new Uint8Array(width * height * 3).fill(value) };
}

// ids: 2 [CLS], 3 [SEP], 4 good, 5 bad, 6 day
describe('text models of transformers.js', () => {
  it('averages the tokens, without padding, from a folder and without network', async () => {
    const encoder = await open({ modality: 'text', model: await writeTextModel(await temporaryFolder()) });
    expect(encoder).toMatchObject({ modality: 'text', outputDim: TEXT_DIM, tokenDim: TEXT_DIM, trainable: false });
    expectRows(await encoder.encode(['Good day', 'bad', '']), mean(2, 4, 6, 3), mean(2, 5, 3), mean(2, 3));
    expect(fetched).not.toHaveBeenCalled();
  });

  it('takes the first token or the pooled output when told to', async () => {
    const folder = await writeTextModel(await temporaryFolder(), { output: 'pooler_output' });
    for (const pooling of ['cls', 'pooler'] as const) {
      expectRows(
        await (await open({ modality: 'text', model: folder, pooling })).encode(['bad day']),
        tokenEmbedding(2),
      );
    }
  });

  it("prefers the projected embedding of CLIP's text half", async () => {
    const folder = await writeTextModel(await temporaryFolder(), { modelType: 'clip', output: 'text_embeds' });
    expectRows(await (await open({ modality: 'text', model: folder })).encode(['bad day']), tokenEmbedding(2));
  });

  it('cuts texts at the limit of the tokenizer, however long they are', async () => {
    const encoder = await open({ modality: 'text', model: await writeTextModel(await temporaryFolder()) });
    const long = 'good '.repeat(500_000);
    expectRows(await encoder.encode([long]), mean(2, 4, 4, 4, 4, 4, 4, 3));
  });

  it('gives tokens with their mask, padded to the longest', async () => {
    const encoder = await open({ modality: 'text', model: await writeTextModel(await temporaryFolder()) });
    const texts = Array.from({ length: 17 }, (_, i) => (i === 16 ? 'good bad day' : 'bad'));
    const { tokens, mask } = (await encoder.encodeTokens?.(texts)) ?? expect.fail('no tokens');
    expect(tokens.shape).toEqual([17, 5, TEXT_DIM]);
    expect([...mask.data.slice(0, 5)]).toEqual([1, 1, 1, 0, 0]);
    expect([...mask.data.slice(-5)]).toEqual([1, 1, 1, 1, 1]);
    expect(maximumDifference(tokens.data.slice(-2 * TEXT_DIM, -TEXT_DIM), tokenEmbedding(6))).toBeLessThan(1e-5);
    expect(await encoder.preprocess(['bad'])).toMatchObject({ input_ids: { data: Int32Array.of(2, 5, 3) } });
  });

  it('has an id that follows the files and the options, not the folder', async () => {
    const one = await open({ modality: 'text', model: await writeTextModel(await temporaryFolder()) });
    const copy = await open({ modality: 'text', model: await writeTextModel(await temporaryFolder()) });
    expect(copy.id).toBe(one.id);
    const folder = await writeTextModel(await temporaryFolder(), { output: 'pooler_output' });
    const other = await open({ modality: 'text', model: folder });
    const cls = await open({ modality: 'text', model: folder, pooling: 'cls' });
    expect(new Set([one.id, other.id, cls.id]).size).toBe(3);
  });
});

describe('image models of transformers.js', () => {
  it('runs its own preprocessing and takes the first token, whatever the size of the image', async () => {
    const encoder = await open({ modality: 'image', model: await writeImageModel(await temporaryFolder()) });
    expect(encoder).toMatchObject({ modality: 'image', outputDim: IMAGE_DIM, tokenDim: IMAGE_DIM });
    const features = await encoder.encode([plain(30, 20, 255), plain(8, 8, 255), plain(9, 9, 0)]);
    const rows = [0, 1, 2].map((row) => [...features.data.slice(row * IMAGE_DIM, (row + 1) * IMAGE_DIM)]);
    expect(maximumDifference(rows[0] as number[], rows[1] as number[])).toBeLessThan(1e-5);
    const negated = (rows[2] as number[]).map((value) => -value); // black is −1 where white is 1
    expect(maximumDifference(rows[0] as number[], negated)).toBeLessThan(1e-5);
    const { pixel_values: pixels } = (await encoder.preprocess([plain(5, 5, 255)])) as { pixel_values: HostTensor };
    expect(pixels.shape).toEqual([1, 3, 8, 8]);
    expect(pixels.data.every((value) => Math.abs(value - 1) < 1e-6)).toBe(true);
    const { tokens, mask } = (await encoder.encodeTokens?.([plain(8, 8, 9)])) ?? expect.fail('no tokens');
    expect([tokens.shape, mask.shape]).toEqual([
      [1, 4, IMAGE_DIM],
      [1, 4],
    ]);
  });

  it("averages a convolutional network's map, and reads CLIP's vision half", async () => {
    const image = plain(8, 8, 200);
    image.data.fill(20, 0, 50);
    const tokens = await open({
      modality: 'image',
      model: await writeImageModel(await temporaryFolder()),
      pooling: 'mean',
    });
    const expected = await tokens.encode([image]);
    const map = await open({
      modality: 'image',
      model: await writeImageModel(await temporaryFolder(), { kind: 'map' }),
    });
    expectRows(await map.encode([image]), [...expected.data]);
    const folder = await writeImageModel(await temporaryFolder(), { modelType: 'clip', kind: 'image_embeds' });
    const clip = await open({ modality: 'image', model: folder });
    expectRows(await clip.encode([image]), [...expected.data]);
    expect(clip.tokenDim).toBeUndefined();
  });

  it('says which outputs there are when a pooling has none to work on', async () => {
    const model = await writeImageModel(await temporaryFolder());
    const error = await failure({ modality: 'image', model, pooling: 'pooler' });
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toBe(
      'pooling "pooler" expected the output pooler_output of the model, received outputs last_hidden_state; choose ' +
        'another pooling, or a model that was exported for feature extraction',
    );
  });
});

describe('models that cannot be had', () => {
  it.each(['config.json', 'tokenizer.json', 'tokenizer_config.json', 'onnx/model.onnx'])(
    'names %s when a folder lacks it',
    async (file) => {
      const folder = await writeTextModel(await temporaryFolder());
      await rm(join(folder, file));
      const error = await failure({ modality: 'text', model: folder });
      expect(error).toBeInstanceOf(UnavailableError);
      expect(error.message).toBe(
        `model folder ${folder} expected the file ${file}, received no such file; export the model in the layout of ` +
          'transformers.js (config.json, tokenizer or preprocessor files, onnx/)',
      );
    },
  );

  it('says what to do when the hub cannot be reached', async () => {
    const cacheDir = await temporaryFolder();
    const error = await failure({ modality: 'image', model: 'someone/vit', cacheDir });
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error.message).toBe(
      `model someone/vit expected the file config.json at ${join(cacheDir, 'someone/vit/config.json')} or on the ` +
        'Hugging Face hub, received fetch failed (ENOTFOUND); check the id, the revision and the network, or copy the ' +
        'model to a folder and name that folder as the model',
    );
    expect(fetched).toHaveBeenCalled();
  });

  it('works offline once everything is cached, at any revision, and asks for no more', async () => {
    const cacheDir = await temporaryFolder();
    await writeTextModel(join(cacheDir, 'someone/bert'));
    await writeTextModel(join(cacheDir, 'someone/bert/v2.0'), { output: 'pooler_output' });
    const model = 'someone/bert';
    const main = await open({ modality: 'text', model, cacheDir });
    const tagged = await open({ modality: 'text', model, cacheDir, revision: 'v2.0', localFilesOnly: true });
    expectRows(await main.encode(['bad']), mean(2, 5, 3));
    expect(main.id).toContain('someone/bert');
    expect(tagged.id).not.toBe(main.id);
    expect(fetched).not.toHaveBeenCalled();
  });

  it('names the file that the cache lacks, and never asks the hub when told not to', async () => {
    const cacheDir = await temporaryFolder();
    const folder = await writeTextModel(join(cacheDir, 'someone/bert'));
    await rm(join(folder, 'onnx/model.onnx'));
    const error = await failure({ modality: 'text', model: 'someone/bert', cacheDir, localFilesOnly: true });
    expect(error.message).toBe(
      `model someone/bert in the cache ${folder} expected the file onnx/model.onnx, received no such file; allow the ` +
        'hub to be asked once by --allow-download, with a network',
    );
    expect(fetched).not.toHaveBeenCalled();
  });

  it('says so when the hub has no such model', async () => {
    fetched.mockImplementation(async () => new Response('not found', { status: 404 }));
    const cacheDir = await temporaryFolder();
    const error = await failure({ modality: 'text', model: 'someone/absent', cacheDir, revision: 'v9' });
    expect(error.message).toMatch(
      /model someone\/absent expected the file config.json at .*absent\/v9\/config.json or/,
    );
    expect(error.message).toContain('resolve/v9/config.json');
  });

  it.each(['./no/such', '/no/such', 'a/b/c'])('takes %s for a folder that is not there', async (model) => {
    const error = await failure({ modality: 'text', model });
    expect(error.message).toBe(
      `model folder ${model} expected a folder with config.json and onnx/, received no such folder; check the path`,
    );
  });

  it('refuses truncated and foreign files by name', async () => {
    const folder = await writeTextModel(await temporaryFolder());
    await truncate(join(folder, 'onnx/model.onnx'), 100);
    const error = await failure({ modality: 'text', model: folder });
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error.message).toMatch(new RegExp(`model ${folder} expected files that load, received .*model.onnx`));
    await writeFile(join(folder, 'tokenizer.json'), '{"version": ');
    expect((await failure({ modality: 'text', model: folder })).message).toMatch(/expected files that load, received/);
  });

  it.each([
    [{ modality: 'sound' }, 'modality, expected "image" or "text", received "sound"'],
    [{ model: '' }, 'model, expected a hub id or a folder, received ""'],
    [{ model: 'what is this' }, 'model, expected a hub id such as "Xenova/clip-vit-base-patch32", or a folder'],
    [{ revision: '../../etc' }, 'revision, expected a branch, tag or commit, received "../../etc"'],
    [
      { pooling: 'median' },
      'pooling, expected "mean", "cls", "pooler", "max", "mean_sqrt_len", "weightedmean", "lasttoken", received "median"',
    ],
    [{ dtype: 'fp8' }, 'dtype, expected fp32, fp16, q8, int8, uint8, q4, q4f16, bnb4, received "fp8"'],
  ])('refuses the option %o', async (wrong, message) => {
    const options = { modality: 'text', model: 'someone/bert', ...wrong } as TransformersEncoderOptions;
    const error = await failure(options);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toContain(`createTransformersEncoder, ${message}`);
  });
});
