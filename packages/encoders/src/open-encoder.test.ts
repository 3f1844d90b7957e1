import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { fullEncoderName } from './open-encoder.js';

it('takes plain ids and paths for the faster way, and leaves other names alone', () => {
  expect(fullEncoderName('google/vit-base-patch16-224')).toBe('huggingface:google/vit-base-patch16-224');
  expect(fullEncoderName('./models/bert')).toBe('huggingface:./models/bert');
  for (const name of ['embedded', 'transformers:a/b', 'huggingface:a/b', 'bert']) {
    expect(fullEncoderName(name)).toBe(name);
  }
});

it('takes a folder with an ONNX model alone for what can run it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'drf-encoder-name-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'onnx'));
  expect(fullEncoderName(folder)).toBe(`transformers:${folder}`);
  await writeFile(join(folder, 'model.safetensors'), '');
  expect(fullEncoderName(folder)).toBe(`huggingface:${folder}`);
});
