import { cp, mkdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import { readSafetensors, writeSafetensors } from '@drf/files';
import { CheckpointError, ConfigurationError, hostTensor, UnavailableError } from '@drf/tensor';
import { loadBert, loadVit } from './load-encoder.js';
import { computeReference, differences, fixturePath, loadReference } from '../testing/reference.js';
import { temporaryFolder } from '../testing/temporary-folder.js';

/** A copy of a fixture that a test may spoil. */
async function copyOf(name: string): Promise<string> {
  const folder = join(await temporaryFolder(), name);
  await cp(fixturePath(name), folder, { recursive: true });
  return folder;
}

async function failure(load: typeof loadBert | typeof loadVit, folder: string): Promise<Error> {
  return load(folder).then(
    () => expect.fail('it opened'),
    (error: unknown) => error as Error,
  );
}

async function editConfig(folder: string, changes: Record<string, unknown>): Promise<void> {
  const path = join(folder, 'config.json');
  const config = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  await writeFile(path, JSON.stringify({ ...config, ...changes }));
}

describe('loadVit and loadBert', () => {
  it.each(['bert', 'bert-f16', 'bert-bf16', 'bert-sharded'])('read %s, whatever its number format', async (name) => {
    expect((await loadBert(fixturePath(name))).ignored).toEqual([]);
    const engine = await createEngine('eager:cpu');
    const reference = await loadReference(fixturePath(name));
    const { forward, gradient } = differences(await computeReference(engine, reference), reference);
    await engine.dispose();
    expect(forward).toBeLessThan(1e-4);
    expect(gradient).toBeLessThan(1e-3);
  });

  it('leave the pooler out when asked to, and say what they left out', async () => {
    const { parameters, ignored } = await loadVit(fixturePath('vit'), { pooler: false });
    expect(Object.keys(parameters)).toEqual(['embeddings', 'layers', 'norm']);
    expect(ignored).toEqual(['pooler.dense.bias', 'pooler.dense.weight']);
    await expect(loadVit(fixturePath('vit-odd'), { pooler: true })).rejects.toThrow(
      'expected the tensors pooler.dense.weight, pooler.dense.bias, received no such tensors',
    );
  });
});

describe('folders that cannot be opened', () => {
  it('name the file that is not there', async () => {
    const folder = await copyOf('bert');
    await rm(join(folder, 'model.safetensors'));
    const error = await failure(loadBert, folder);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error.message).toBe(
      `model folder ${folder} expected the file model.safetensors or model.safetensors.index.json, received no such ` +
        'file; copy the whole model into the folder',
    );
    await rm(join(folder, 'config.json'));
    expect((await failure(loadBert, folder)).message).toBe(
      `model folder ${folder} expected the file config.json, received no such file; name a folder in the layout of ` +
        'Hugging Face transformers (config.json, model.safetensors)',
    );
  });

  it.each(['pytorch_model.bin', 'tf_model.h5', 'flax_model.msgpack'])('say how to convert %s', async (file) => {
    const folder = await copyOf('bert');
    await rename(join(folder, 'model.safetensors'), join(folder, file));
    const { message } = await failure(loadBert, folder);
    expect(message).toContain(
      `received ${file} alone; convert it with Python: transformers.AutoModel.from_pretrained(`,
    );
  });

  it('of another family of models say what to choose', async () => {
    const folder = await copyOf('bert');
    const asImage = await failure(loadVit, folder);
    expect(asImage).toBeInstanceOf(ConfigurationError);
    expect(asImage.message).toMatch(
      /config\.json expected a "model_type" of an image encoder: vit, deit, .*, received "bert"; choose a model of one of these families .*; texts have encoders of their own$/,
    );
    await editConfig(folder, { model_type: 'gpt2' });
    expect((await failure(loadBert, folder)).message).toContain(
      'expected a "model_type" of a text encoder: bert, roberta, xlm-roberta, camembert, distilbert, mpnet, deberta-v2, modernbert, ',
    );
    await editConfig(folder, { model_type: undefined });
    expect((await failure(loadBert, folder)).message).toContain('received none');
  });

  it('with a configuration that is no JSON, or no object, say so', async () => {
    const folder = await copyOf('bert');
    await writeFile(join(folder, 'config.json'), '{"hidden_size": NaN}');
    expect((await failure(loadBert, folder)).message).toContain('config.json expected valid JSON');
    await writeFile(join(folder, 'config.json'), '[1]');
    expect((await failure(loadBert, folder)).message).toContain('expected an object with the keys of a Hugging Face');
  });

  it('with damaged weights say what is wrong', async () => {
    const folder = await copyOf('bert');
    const path = join(folder, 'model.safetensors');
    await truncate(path, 100);
    const error = await failure(loadBert, folder);
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toMatch(/model\.safetensors expected a header of at most 92 bytes, received a header length/);
    await truncate(path, 5);
    expect((await failure(loadBert, folder)).message).toContain('expected a safetensors header, received 5 bytes');
  });

  it('with an index that leads out of the folder read nothing there', async () => {
    const folder = await copyOf('bert-sharded');
    await mkdir(join(folder, 'sub'));
    await writeFile(
      join(folder, 'model.safetensors.index.json'),
      JSON.stringify({ weight_map: { a: '../bert/model.safetensors' } }),
    );
    expect((await failure(loadBert, folder)).message).toContain(
      'expected names of .safetensors files in its own folder, received "../bert/model.safetensors"',
    );
  });

  it('with whole numbers for weights are refused by name', async () => {
    const folder = await copyOf('bert');
    const path = join(folder, 'model.safetensors');
    const { tensors, metadata } = await readSafetensors(path);
    const whole = new Map(tensors).set('embeddings.LayerNorm.bias', hostTensor(new Int32Array(16), [16]));
    await writeSafetensors(path, { tensors: whole, metadata });
    expect((await failure(loadBert, folder)).message).toContain(
      'expected floating-point numbers in "embeddings.LayerNorm.bias", received int32',
    );
  });
});
