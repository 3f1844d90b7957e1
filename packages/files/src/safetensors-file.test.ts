import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CheckpointError, ConfigurationError, DataError, hostTensor } from '@drf/tensor';
import { openSafetensors, openSafetensorsIndex, writeSafetensors } from './index.js';

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'drf-safetensors-'))));
afterAll(() => rm(folder, { recursive: true, force: true }));

async function write(name: string, tensors: Record<string, number>): Promise<string> {
  const path = join(folder, name);
  const entries = Object.entries(tensors).map(([key, value]) => [key, hostTensor([value], [1])] as const);
  await writeSafetensors(path, { tensors: new Map(entries), metadata: { format: 'pt' } });
  return path;
}

describe('openSafetensors', () => {
  it('says names, dtypes and shapes, and reads one tensor at a time', async () => {
    const file = await openSafetensors(await write('a.safetensors', { one: 1, two: 2 }));
    expect([...file.tensors.keys()]).toEqual(['one', 'two']);
    expect(file.tensors.get('two')).toMatchObject({ dtype: 'F32', shape: [1] });
    expect(file.metadata).toEqual({ format: 'pt' });
    expect(await file.read('two')).toEqual(hostTensor([2], [1]));
    const unknown = file.read('three');
    await expect(unknown).rejects.toThrow(ConfigurationError);
    await expect(unknown).rejects.toThrow('expected the name of one of its tensors, received "three"');
    await file.close();
  });

  it('notices that the file became shorter', async () => {
    const path = await write('short.safetensors', { one: 1 });
    const file = await openSafetensors(path);
    await truncate(path, 20);
    await expect(file.read('one')).rejects.toThrow(`${path} expected 4 bytes from`);
    await file.close();
  });
});

describe('openSafetensorsIndex', () => {
  const index = async (weightMap: unknown): Promise<string> => {
    const path = join(folder, 'model.safetensors.index.json');
    await writeFile(path, JSON.stringify({ metadata: { total_size: 8 }, weight_map: weightMap }));
    return path;
  };
  const failure = async (weightMap: unknown): Promise<Error> =>
    openSafetensorsIndex(await index(weightMap)).then(
      () => expect.fail('it opened'),
      (error: unknown) => error as Error,
    );

  it('reads each tensor from its shard', async () => {
    await write('model-1.safetensors', { one: 1 });
    await write('model-2.safetensors', { two: 2 });
    const model = await openSafetensorsIndex(await index({ one: 'model-1.safetensors', two: 'model-2.safetensors' }));
    expect([...model.tensors.keys()].sort()).toEqual(['one', 'two']);
    expect(await model.read('one')).toEqual(hostTensor([1], [1]));
    expect(await model.read('two')).toEqual(hostTensor([2], [1]));
    await expect(model.read('three')).rejects.toThrow('received "three"');
    await model.close();
  });

  it.each(['../secret.safetensors', '/etc/passwd', 'sub/model.safetensors', '..\\\\model.safetensors', '.hidden', 7])(
    'refuses a shard that is not a file beside it: %s',
    async (shard) => {
      await mkdir(join(folder, 'sub'), { recursive: true });
      const error = await failure({ one: shard });
      expect(error).toBeInstanceOf(CheckpointError);
      expect(error.message).toContain(
        `expected names of .safetensors files in its own folder, received ${JSON.stringify(shard)}`,
      );
    },
  );

  it('says which shard is not there, lacks a tensor, or has one that another has', async () => {
    await write('model-1.safetensors', { one: 1 });
    await write('model-2.safetensors', { one: 2 });
    const missing = await failure({ one: 'model-3.safetensors' });
    expect(missing).toBeInstanceOf(DataError);
    expect(missing.message).toContain('model-3.safetensors expected a readable file, received ENOENT');
    const lacking = await failure({ two: 'model-1.safetensors' });
    expect(lacking.message).toContain('expected "two" in model-1.safetensors, received no such tensor there');
    const twice = await failure({ one: 'model-1.safetensors', two: 'model-2.safetensors' });
    expect(twice.message).toContain('expected "one" in one shard, received it in ');
    expect((await failure([])).message).toContain('expected "weight_map" that maps tensors to files, received []');
    expect((await failure(undefined)).message).toContain('received none');
  });
});
