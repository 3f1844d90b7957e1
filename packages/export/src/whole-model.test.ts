import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createEngine } from '@drf/engine';
import { type ImageEncoder, openEncoder, type TextEncoder } from '@drf/encoders';
import { type FeatureSet, memoryRows, openRun } from '@drf/experiment';
import { decodeModel, shapeOf } from '@drf/onnx';
import { createRandom, type Engine, hostTensor, type HostTensor, type HostTree, type RgbImage } from '@drf/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WordPiece } from './embedded-packages.js';
import { exportRun } from './export-run.js';
import { expectOutputs, predictedOutputs, runOnnx } from './testing/posts.js';
import { makeEmbeddedRun, makeTinyRun } from './testing/tiny-run.js';
import { temporaryFolder } from './testing/tools.js';

/**
 * Word pieces by the recipe of the card, written from its words alone: what another program would do.
 * @param vocabulary [piece, score], the place being the id
 */
function tokenizeByCard(text: string, vocabulary: readonly WordPiece[], length: number): number[] {
  const ids = new Map(vocabulary.map(([piece], id) => [piece, id] as const).filter(([, id]) => id >= 6));
  const tidy = [...text.slice(0, 16_384).replace(/\s+/gu, ' ').trim()].slice(0, 4096).join('');
  const normal = tidy.normalize('NFKC');
  const characters = normal === '' ? [] : [...`▁${normal.replaceAll(' ', '▁')}`];
  const best = Array<number>(characters.length + 1).fill(0);
  const chosen = Array.from({ length: characters.length + 1 }, () => ({ id: 0, size: 1 }));
  const at = (start: number, end: number): number | undefined => ids.get(characters.slice(start, end).join(''));
  const begins = characters.map((_, start) =>
    Array.from({ length: 40 }, (_, i) => start + 1 + i).some((end) => at(start, end) !== undefined),
  );
  for (let end = 0; end <= characters.length; end++) {
    for (let start = Math.max(0, end - 40); start < end; start++) {
      const isUnknown = !begins[start] && end === start + 1;
      const id = isUnknown ? 0 : at(start, end);
      if (id === undefined) continue;
      const score = (isUnknown ? 0 : (vocabulary[id]?.[1] as number)) + (best[start] as number);
      if (best[end] !== 0 && score < (best[end] as number)) continue;
      best[end] = score;
      chosen[end] = { id, size: end - start };
    }
  }
  const pieces: number[] = [];
  for (let end = characters.length; end > 0;) {
    const { id, size } = chosen[end] as { id: number; size: number };
    if (id !== 0 || pieces[0] !== 0) pieces.unshift(id);
    end -= size;
  }
  return pieces.slice(0, length);
}

const TEXTS = ['What a lovely day, I am so happy!', 'terrible 😀😀 service… never again', '', 'sehr schön ﬁne'];
const AVAILABLE = { image: [1, 1, 0], text: [1, 0, 1] };
type Vocabulary = readonly WordPiece[];

function noise(name: string, width: number, height: number): RgbImage {
  const random = createRandom(1).fork(name);
  const data = Uint8Array.from({ length: 3 * width * height }, () => Math.floor(random.uniform(0, 256)));
  return { width, height, data };
}

describe('model.onnx of the embedded encoders', () => {
  let engine: Engine;
  let image: ImageEncoder;
  let text: TextEncoder;
  beforeAll(async () => {
    engine = await createEngine('compiled');
    image = await openEncoder('embedded', 'image', engine);
    text = await openEncoder('embedded', 'text', engine);
  });
  afterAll(async () => {
    await image.dispose();
    await text.dispose();
    await engine.dispose();
  });

  it('goes from pixels and token ids to what encoders and predictor say', { timeout: 180_000 }, async () => {
    const folder = await temporaryFolder();
    const run = await makeEmbeddedRun(join(folder, 'run'));
    const out = join(folder, 'out');
    const { card } = await exportRun(run.path, { out });
    expect((await readdir(out)).sort()).toEqual([
      'README.md',
      'card.json',
      'head.onnx',
      'licenses.txt',
      'model.onnx',
      'vocabulary.json',
    ]);
    expect(card.notes).toEqual([expect.stringContaining('no calibration.json')]);

    const file = await readFile(join(out, 'model.onnx'));
    const { graph } = decodeModel(file);
    expect(graph.input.map((info) => [info.name, ...shapeOf(info)])).toEqual([
      ['imageAvailable', 'batch'],
      ['pixels', 'batch', 224, 224, 3],
      ['textAvailable', 'batch'],
      ['tokenMask', 'batch', 128],
      ['tokens', 'batch', 128],
    ]);
    expect(graph.node.filter(({ domain = '' }) => domain !== '')).toEqual([]);

    const vocabulary = JSON.parse(await readFile(join(out, 'vocabulary.json'), 'utf8')) as Vocabulary;
    const opened = await openRun(run.path);
    const images = [noise('a', 224, 224), noise('b', 300, 200), noise('c', 20, 50)];
    const pixels = ((await image.preprocess(images)) as { pixels: HostTensor }).pixels;
    const imageFeatures = await image.encode(images);
    const textFeatures = await text.encode(TEXTS.slice(0, 3));
    for (const count of [1, 3]) {
      const posts: FeatureSet = {
        ids: images.slice(0, count).map((_, i) => String(i)),
        labels: new Int32Array(count),
        image: { rows: memoryRows(imageFeatures), available: Float32Array.from(AVAILABLE.image.slice(0, count)) },
        text: { rows: memoryRows(textFeatures), available: Float32Array.from(AVAILABLE.text.slice(0, count)) },
      };
      const inputs: HostTree = {
        pixels: hostTensor(pixels.data.slice(0, count * 224 * 224 * 3), [count, 224, 224, 3]),
        ...tokenInputs(TEXTS.slice(0, count), vocabulary),
        imageAvailable: hostTensor(posts.image.available, [count]),
        textAvailable: hostTensor(posts.text.available, [count]),
      };
      expectOutputs(await runOnnx(file, inputs), await predictedOutputs(opened, posts));
    }
  });

  it('comes with a vocabulary and a recipe that give the encoder’s own tokens', async () => {
    const folder = await temporaryFolder();
    const run = await makeEmbeddedRun(join(folder, 'run'));
    const out = join(folder, 'out');
    const { card } = await exportRun(run.path, { out, batch: 1, tokens: 16 });
    const vocabulary = JSON.parse(await readFile(join(out, 'vocabulary.json'), 'utf8')) as Vocabulary;
    const { text: recipe } = card.preprocessing;
    expect(recipe).toMatchObject({ vocabulary: 'vocabulary.json', length: 16, maskToken: '[MASK]' });
    expect(card.preprocessing.image).toMatchObject({ decodedSize: 32, size: [224, 224] });
    for (const example of recipe.examples ?? []) {
      expect(tokenizeByCard(example.text, vocabulary, 16)).toEqual(example.tokens);
    }
    for (const each of [...TEXTS, '人工知能 は すごい', 'x'.repeat(50), 'a\tb\n c', 'aa😀bb', 'so :) and :-( “5”5']) {
      const { tokens, mask } = (await text.preprocess([each])) as { tokens: HostTensor; mask: HostTensor };
      const count = Array.from(mask.data).filter((mark) => mark === 1).length;
      expect(tokenizeByCard(each, vocabulary, 128), each).toEqual([...tokens.data].slice(0, count));
    }
    expect(await readFile(join(out, 'licenses.txt'), 'utf8')).toMatch(/nsfwjs.*MIT[^]*model-embeddings-en.*Apache-2.0/);
    const { graph } = decodeModel(await readFile(join(out, 'model.onnx')));
    expect(graph.input.map(shapeOf)).toContainEqual([1, 16]);
  });

  it('leaves encoders out on demand, and refuses longer texts and other encoders', async () => {
    const folder = await temporaryFolder();
    const run = await makeEmbeddedRun(join(folder, 'run'));
    const { card } = await exportRun(run.path, { out: join(folder, 'head'), headOnly: true });
    expect(Object.keys(card.files)).toEqual(['head.onnx']);
    const long = exportRun(run.path, { out: join(folder, 'long'), tokens: 129 });
    await expect(long).rejects.toThrow('export --tokens expected at most 128, which the text encoder can read');
    const foreign = await makeTinyRun(join(folder, 'foreign'), {
      encoders: { image: 'embedded', text: 'embedded' },
      encoderIds: { image: 'embedded:of-another-version', text: text.id },
    });
    const attempt = exportRun(foreign.path, { out: join(folder, 'out') });
    await expect(attempt).rejects.toThrow(/image encoder expected "embedded:of-another-version", with which the run/);
  });
});

function tokenInputs(texts: readonly string[], vocabulary: Vocabulary): HostTree {
  const tokens = new Int32Array(texts.length * 128);
  const mask = new Float32Array(texts.length * 128);
  texts.forEach((text, row) => {
    const ids = tokenizeByCard(text, vocabulary, 128);
    tokens.set(ids, row * 128);
    mask.fill(1, row * 128, row * 128 + ids.length);
  });
  return { tokens: hostTensor(tokens, [texts.length, 128]), tokenMask: hostTensor(mask, [texts.length, 128]) };
}
