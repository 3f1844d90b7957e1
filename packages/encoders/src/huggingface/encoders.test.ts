import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { createEngine } from '@drf/engine';
import type { Engine } from '@drf/tensor';
import { describeEncoderContract } from '../encoder.contract.js';
import { openEncoder } from '../open-encoder.js';
import { gradientImage, UNUSABLE_IMAGES, UNUSABLE_TEXTS } from '../testing/images.js';
import { writeTinyBert, writeTinyVit } from '../testing/tiny-transformers.js';

const engines = new Map<string, Engine>();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-huggingface-'));
  await writeTinyVit(join(folder, 'image'));
  await writeTinyBert(join(folder, 'text'));
  for (const name of ['compiled', 'eager:wasm']) engines.set(name, await createEngine(name));
});
afterAll(async () => {
  for (const engine of engines.values()) await engine.dispose();
  await rm(folder, { recursive: true });
});

const IMAGES = [gradientImage('a', 16, 16), gradientImage('b', 50, 20), gradientImage('c', 5, 9)];
const TEXTS = ['good day', '', 'a bad movie 😀!', 'the '.repeat(30), 'bad [MASK] days'];

for (const name of ['compiled', 'eager:wasm']) {
  describeEncoderContract(`Hugging Face image, ${name}`, {
    create: () => openEncoder(`huggingface:${join(folder, 'image')}`, 'image', engines.get(name) as Engine),
    contents: IMAGES,
    unusable: UNUSABLE_IMAGES,
  });
  describeEncoderContract(`Hugging Face text, ${name}`, {
    create: () => openEncoder(`huggingface:${join(folder, 'text')}`, 'text', engines.get(name) as Engine),
    contents: TEXTS,
    unusable: UNUSABLE_TEXTS,
  });
}
