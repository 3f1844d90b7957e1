import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createEngine } from '@drf/engine';
import { ConfigurationError, type Modality, UnavailableError } from '@drf/tensor';
import { loadBert } from './load-encoder.js';
import { openEncoder } from '../open-encoder.js';
import { temporaryFolder } from '../testing/temporary-folder.js';
import { writeImageModel, writeTextModel } from '../testing/tiny-models.js';
import { wordPieceTokenizer } from '../testing/tiny-preprocessing.js';
import { TINY_WORDS, writeTinyBert, writeTinyVit } from '../testing/tiny-transformers.js';

const POINTER = 'version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 90871\n';

async function failure(name: string, modality: Modality): Promise<Error> {
  const engine = await createEngine('eager:cpu');
  onTestFinished(() => engine.dispose());
  return openEncoder(name, modality, engine).then(
    () => expect.fail('it opened'),
    (error: unknown) => error as Error,
  );
}

describe('a model that cannot be used is refused when it is opened', () => {
  it('with a tokenizer larger than the model', async () => {
    const tokenizer = wordPieceTokenizer([...TINY_WORDS, 'further'], 5);
    const folder = await writeTinyBert(await temporaryFolder(), { files: { 'tokenizer.json': tokenizer } });
    const error = await failure(`huggingface:${folder}`, 'text');
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toMatch(/ids below 13, .* received ids up to 13; .*resize_token_embeddings/);
  });

  it('with gray images', async () => {
    const folder = await writeTinyVit(await temporaryFolder(), { config: { num_channels: 1 } });
    const error = await failure(`huggingface:${folder}`, 'image');
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toMatch(/"num_channels" to be 3.*received 1/);
  });

  it.each(['model.safetensors', 'tokenizer.json', 'tokenizer_config.json', 'config.json'])(
    'with a Git LFS pointer in place of %s',
    async (file) => {
      const folder = await writeTinyBert(await temporaryFolder());
      await writeFile(join(folder, file), POINTER);
      for (const attempt of [
        failure(`huggingface:${folder}`, 'text'),
        loadBert(folder).catch((each: unknown) => each),
      ]) {
        const error = (await attempt) as Error;
        expect(error).toBeInstanceOf(UnavailableError);
        expect(error.message).toContain(`the content of ${file}, received a Git LFS pointer in its place`);
        expect(error.message).toContain('git lfs pull');
      }
    },
  );

  it('with a Git LFS pointer in place of an ONNX file', async () => {
    for (const [write, modality] of [
      [writeTextModel, 'text'],
      [writeImageModel, 'image'],
    ] as const) {
      const folder = await write(await temporaryFolder());
      await writeFile(join(folder, 'onnx/model.onnx'), POINTER);
      expect((await failure(`transformers:${folder}`, modality)).message).toContain('the content of onnx/model.onnx');
    }
  });

  it('with other files than those of the id that it must have, and not with these', async () => {
    const engine = await createEngine('eager:cpu');
    onTestFinished(() => engine.dispose());
    const cases = [
      [`huggingface:${await writeTinyBert(await temporaryFolder())}`, 'text'],
      [`huggingface:${await writeTinyVit(await temporaryFolder())}`, 'image'],
      [`transformers:${await writeTextModel(await temporaryFolder())}`, 'text'],
      [
        `transformers:${await writeImageModel(await temporaryFolder(), { modelType: 'clip', kind: 'image_embeds' })}`,
        'image',
      ],
    ] as const;
    for (const [name, modality] of cases) {
      const first = await openEncoder(name, modality, engine);
      const second = await openEncoder(name, modality, engine, { expectedId: first.id, localFilesOnly: true });
      expect(second.id).toBe(first.id);
      await first.dispose();
      await second.dispose();
      const expectedId = first.id.replace(/:[0-9a-f]{12}:/, ':0123456789ab:');
      await expect(openEncoder(name, modality, engine, { expectedId })).rejects.toThrow(/with other files/);
    }
  });
});
