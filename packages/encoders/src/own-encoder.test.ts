import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadDefinition } from '@drf/files';
import type { Engine } from '@drf/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openEncoder, openTrainableEncoder } from './index.js';

/** No module here asks anything of it. */
const engine: Engine = {
  name: 'none',
  prepare: () => Promise.reject(new Error('not asked for')),
  prepareStep: () => Promise.reject(new Error('not asked for')),
  dispose: async () => {},
};

let folder = '';
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'drf-own-encoder-'))));
afterAll(() => rm(folder, { recursive: true }));

async function load(file: string, encoder: string, more = ''): Promise<string> {
  const path = join(folder, file);
  const create = `({ create: (_, { id, modality, engine }) => (${encoder}) }).create`;
  await writeFile(path, `export default { name: 'mine', ${more} create: ${create} };`);
  return (await loadDefinition(path, 'encoder')).id;
}

const FROZEN = `{ id, modality, trainable: false, outputDim: 1, dispose: async () => {} }`;

describe('the encoder of docs/examples', () => {
  const path = fileURLToPath(new URL('../../../docs/examples/my-encoder.ts', import.meta.url));

  it('opens by its module and by its id, and encodes', async () => {
    const { id } = await loadDefinition(path, 'encoder');
    const encoder = await openEncoder(path, 'text', engine, { own: { dim: '64' } });
    expect(encoder).toMatchObject({ modality: 'text', outputDim: 64, trainable: false });
    expect(encoder.id).toMatch(/^hashed-words@[0-9a-f]{12}:text:[0-9a-f]{8}$/);
    expect((await openEncoder(id, 'text', engine, { own: { dim: 64 } })).id).toBe(encoder.id);
    expect((await openEncoder(id, 'text', engine)).id).not.toBe(encoder.id);
    const { data, shape } = await encoder.encode(['Good day', 'good  DAY!', 'bad', '']);
    expect(shape).toEqual([4, 64]);
    const row = (i: number): number[] => [...data.slice(i * 64, (i + 1) * 64)];
    expect(row(0)).toEqual(row(1));
    expect(row(2)).not.toEqual(row(0));
    expect(Math.hypot(...row(0))).toBeCloseTo(1, 6);
    expect(row(3)).toEqual(row(3).map(() => 0));
  });

  it('refuses a modality and options that it has not', async () => {
    await expect(openEncoder(path, 'image', engine)).rejects.toThrow(
      /^Own encoder hashed-words@\w+ expected a place as encoder of text, received image; name it by --encoders\.text$/,
    );
    await expect(openEncoder(path, 'text', engine, { own: { dims: 3 } })).rejects.toThrow('did you mean "dim"?');
  });
});

describe('an encoder of the user’s own', () => {
  it('runs no module that was not loaded, whoever names it', async () => {
    const path = join(folder, 'absent.mjs');
    await writeFile(path, 'globalThis.hasRun = true; export default { name: "absent", create() {} };');
    for (const name of [path, 'absent@0123456789ab']) {
      await expect(openEncoder(name, 'text', engine)).rejects.toMatchObject({ code: 'own-definition-needed' });
      await expect(openTrainableEncoder(name, 'text')).rejects.toMatchObject({ code: 'own-definition-needed' });
    }
    expect('hasRun' in globalThis).toBe(false);
  });

  it('may train in the step, without an engine', async () => {
    const name = await load('trainable.mjs', `{ id, modality, trainable: engine === undefined, outputDim: 1, dispose: async () => {} }`); // prettier-ignore
    expect(await openTrainableEncoder(name, 'image')).toMatchObject({ trainable: true, id: `${name}:image` });
    expect(await openEncoder(name, 'text', engine)).toMatchObject({ trainable: false, id: `${name}:text` });
  });

  it('is refused where it makes another one than was asked for', async () => {
    const frozen = await load('frozen.mjs', FROZEN);
    await expect(openTrainableEncoder(frozen, 'text')).rejects.toThrow(
      'expected to make {"id":"' + frozen + ':text","modality":"text","trainable":true}, received',
    );
    const nameless = await load('nameless.mjs', FROZEN.replace('id,', "id: 'my own',"));
    await expect(openEncoder(nameless, 'text', engine)).rejects.toThrow('take id and modality from the context');
  });
});
