import { mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeModel, shapeOf } from '@drf/onnx';
import { predictionOf, type MethodDefinition } from '@drf/model';
import {
  addOwnDefinition,
  CheckpointError,
  ConfigurationError,
  DataError,
  hostTensor,
  type HostTensor,
  named,
} from '@drf/tensor';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { openRun, writeCalibration } from '@drf/experiment';
import { exportRun } from './export-run.js';
import { AVAILABILITIES, expectOutputs, headBatch, predictedOutputs, randomPosts, runOnnx } from './testing/posts.js';
import { makeTinyRun, type TinyRunOptions } from './testing/tiny-run.js';
import { temporaryFolder } from './testing/tools.js';

const SHAPES = { imageDim: 6, textDim: 9 };

async function exported(options: TinyRunOptions = {}, exportOptions: object = {}) {
  const folder = await temporaryFolder();
  const run = await makeTinyRun(join(folder, 'run'), options);
  const out = join(folder, 'out');
  const result = await exportRun(run.path, { out, ...exportOptions });
  return { ...result, folder, run, out, head: join(out, 'head.onnx'), opened: await openRun(run.path) };
}

describe('head.onnx', () => {
  it.each([1, 2, 4, 9])('says what the predictor says of %i posts of every availability', async (count) => {
    const { head, opened } = await exported();
    const posts = randomPosts(SHAPES, count);
    const expected = await predictedOutputs(opened, posts);
    expect(Object.keys(expected)).toHaveLength(14);
    const outputs = await runOnnx(head, await headBatch(posts));
    expectOutputs(outputs, expected);
    const scores = (outputs['logits'] ?? []).map(Math.exp);
    const sums = scores.map((_, i) => scores.slice(i - (i % 3), i - (i % 3) + 3).reduce((sum, each) => sum + each, 0));
    expectOutputs(
      { softmax: scores.map((score, i) => score / (sums[i] as number)) },
      { softmax: [...(expected['probabilities'] ?? [])] },
    );
  });

  it.each<[string, TinyRunOptions]>([
    ['the literal weights of Eq. 9', { model: { weighting: 'density' } }],
    ['relative weights', { model: { weighting: 'relative' } }],
    ['standardized encoder outputs', { model: { standardize: true } }],
    ['equal weights', { model: { ablations: { gaussianProbability: false } } }],
    ['one filled pair a post', { model: { ablations: { pairExpansion: false } } }],
    ['queues that were filled more than once', { seen: 20 }],
    ['the gate, before its Gaussians are fitted', { method: 'drf' }],
    ['the gate, after that', { method: 'drf', seen: 20 }],
    ['discriminants that are fitted', { method: 'drf', fitted: true, seen: 20 }],
    ['discriminants in its method to the letter', { fitted: true, model: { discriminants: 0.3 } }],
    ['a width that no encoder has', { model: { dim: 5 } }],
    ['widths that equal a batch size at which it is traced', { model: { dim: 11, fusionHidden: 13 } }],
  ])('says what the predictor says with %s', async (_, options) => {
    const { head, opened } = await exported(options);
    const posts = randomPosts(SHAPES, 5);
    expectOutputs(await runOnnx(head, await headBatch(posts)), await predictedOutputs(opened, posts));
  });

  it.each<[string, TinyRunOptions, readonly string[]]>([
    ['fitted discriminants', { method: 'drf', fitted: true }, ['intactImage', 'intactText']],
    ['those of any method', { method: 'concatenation', fitted: true, model: { discriminants: 0.5 } }, ['intactImage', 'intactText']], // prettier-ignore
    ['those that saw corrupted images alone', { method: 'drf', fitted: 'image' }, ['intactImage']],
    ['those that are not fitted', { method: 'drf' }, []],
  ])('says how likely image and text are intact as far as they are told: %s', async (_, options, names) => {
    const { head, opened, card } = await exported(options);
    const posts = randomPosts(SHAPES, 9);
    const outputs = await runOnnx(head, await headBatch(posts));
    expect(Object.keys(outputs).filter((name) => name.startsWith('intact')).sort()).toEqual(names);
    expectOutputs(outputs, await predictedOutputs(opened, posts));
    for (const name of names) {
      const probabilities = outputs[name] as readonly number[];
      expect(Math.max(...probabilities) - Math.min(...probabilities)).toBeGreaterThan(0.1);
      const meaning = card.files['head.onnx']?.outputs.find((output) => output.name === name)?.meaning;
      expect(meaning).toMatch(/^the probability that the (image|text) is intact rather than corrupted/);
    }
  }); // prettier-ignore

  it.each(['float16', 'int8'] as const)('keeps in %s what tells intact outputs from corrupted ones', async (precision) => {
    const shapes = { imageDim: 1056, textDim: 1056 }; // kernels of that many weights would be stored smaller otherwise
    const options = { method: 'drf', fitted: true, shapes, seen: 20 } as const;
    const posts = randomPosts(shapes, 12);
    const smaller = await exported(options, { precision });
    const outputs = await runOnnx(smaller.head, await headBatch(posts));
    const { intactImage, intactText, probabilities, logDensityImage } = await predictedOutputs(smaller.opened, posts);
    expectOutputs(outputs, { intactImage, intactText } as Record<string, number[]>);
    expectOutputs(outputs, { logDensityImage } as Record<string, number[]>, 1e-4);
    expectOutputs(outputs, { probabilities } as Record<string, number[]>, 0.02);
    const difference = (outputs['probabilities'] ?? []).map((each, i) => Math.abs(each - (probabilities?.[i] as number)));
    expect(Math.max(...difference)).toBeGreaterThan(1e-6); // other weights are smaller
  }); // prettier-ignore

  it('weighs the pairs the same while the queues are empty', async () => {
    const { head, card } = await exported({ seen: 0 });
    expect(card.queues).toEqual({ capacity: 8, imageRows: 0, textRows: 0, ready: false });
    const { pairWeights, probabilities } = await runOnnx(head, await headBatch(randomPosts(SHAPES, 1)));
    pairWeights?.forEach((weight) => expect(weight).toBeCloseTo(1 / 3, 6));
    expect(probabilities?.reduce((sum, each) => sum + each, 0)).toBeCloseTo(1, 5);
  });

  it.each(AVAILABILITIES)('ignores what stands in missing rows: $name', async ({ image, text }) => {
    const { head } = await exported();
    const one = (name: string, numbers: Float32Array): [string, HostTensor] => [
      name,
      hostTensor(numbers, name.endsWith('Available') ? [1] : [1, numbers.length]),
    ];
    const inputs = (missing: number): Record<string, HostTensor> =>
      Object.fromEntries([
        one('image', new Float32Array(6).fill(image === 1 ? 0.3 : missing)),
        one('text', new Float32Array(9).fill(text === 1 ? -0.2 : missing)),
        one('imageAvailable', Float32Array.of(image)),
        one('textAvailable', Float32Array.of(text)),
      ]);
    expect(await runOnnx(head, inputs(NaN))).toEqual(await runOnnx(head, inputs(0)));
  });

  it('is plain ONNX: default domain, opset at most 18, a named batch axis, no queue rows', async () => {
    const { head } = await exported({ model: { queueCapacity: 512 }, seen: 300 });
    const { graph, opsetImport } = decodeModel(await readFile(head));
    expect(opsetImport.map(({ domain = '' }) => domain)).toEqual(['']);
    expect(opsetImport[0]?.version).toBeLessThanOrEqual(18);
    expect(graph.node.filter(({ domain = '' }) => domain !== '')).toEqual([]);
    for (const info of [...graph.input, ...graph.output]) expect(shapeOf(info)[0]).toBe('batch');
    expect(graph.initializer.filter(({ dims }) => dims.includes(512))).toEqual([]);
  });

  it('takes one fixed batch size on demand', async () => {
    const { head, opened, card } = await exported({}, { batch: 4 });
    expect(card.files['head.onnx']?.batch).toBe(4);
    const posts = randomPosts(SHAPES, 4);
    expectOutputs(await runOnnx(head, await headBatch(posts)), await predictedOutputs(opened, posts));
    await expect(runOnnx(head, await headBatch(randomPosts(SHAPES, 3)))).rejects.toThrow(/invalid dimensions/);
  });

  it('has probabilities and logits alone for concatenation', async () => {
    const { head, opened, card } = await exported({ method: 'concatenation' });
    const posts = randomPosts(SHAPES, 5);
    const outputs = await runOnnx(head, await headBatch(posts));
    expect(Object.keys(outputs).sort()).toEqual(['logits', 'probabilities']);
    expectOutputs(outputs, await predictedOutputs(opened, posts));
    expect(card.queues).toBeNull();
  });
});

describe('card.json', () => {
  it('describes the run and the files', async () => {
    const { card, out, head } = await exported();
    const read = JSON.parse(await readFile(join(out, 'card.json'), 'utf8')) as typeof card;
    expect(read).toEqual(JSON.parse(JSON.stringify(card)));
    expect(read).toMatchObject({
      format: 'drf-onnx-1',
      labels: ['positive', 'neutral', 'negative'],
      method: 'drf-paper',
      seed: 3,
      trainingDisruption: 'fixed:image:C',
      run: { id: 'run', name: 'tiny', checkpoint: 'step-3.safetensors', step: 3 },
      queues: { capacity: 8, imageRows: 5, textRows: 5, ready: true },
      encoders: { image: 'transformers:an-image-model' },
    });
    const file = read.files['head.onnx'];
    expect(file?.bytes).toBe((await readFile(head)).byteLength);
    expect(file?.inputs.map(({ name, shape }) => [name, ...shape])).toEqual([
      ['image', 'batch', 6],
      ['imageAvailable', 'batch'],
      ['text', 'batch', 9],
      ['textAvailable', 'batch'],
    ]);
    for (const each of [...(file?.inputs ?? []), ...(file?.outputs ?? [])]) expect(each.meaning).not.toBe('');
    expect(read.notes).toEqual([
      expect.stringContaining('image encoder'),
      expect.stringContaining('text encoder'),
      expect.stringContaining('calibration.json'),
    ]);
  });
});

describe('calibration', () => {
  const distribution = [-3, -2, -1];
  const calibration = {
    format: 'drf-calibration-2',
    checkpoint: 'step-3.safetensors',
    temperature: { temperature: 1.5, before: 1, after: 0.9, posts: 100, basis: 'fitted' },
    quality: { image: distribution, text: null, measuredOn: 'validation', posts: { image: 100, text: 0 } },
  } as const;

  it('is in the card as training left it', async () => {
    const folder = await temporaryFolder();
    const run = await makeTinyRun(join(folder, 'run'));
    const without = await exportRun(run.path, { out: join(folder, 'without') });
    expect(without.card.calibration).toBeNull();
    expect(without.card.notes?.at(-1)).toBe(
      'The run has no calibration.json: probabilities are the model’s own, quality is not known.',
    );
    await writeCalibration(run, calibration);
    const { card, written } = await exportRun(run.path, { out: join(folder, 'with') });
    expect(card.calibration).toEqual(calibration);
    expect(card.notes).toContain('Probabilities are calibrated on 100 validation posts: temperature 1.50.');
    const read = JSON.parse(await readFile(written.at(-1) as string, 'utf8')) as typeof card;
    expect(read.calibration).toEqual(calibration);
  });

  it('of another checkpoint is left out, and a damaged one is refused', async () => {
    const folder = await temporaryFolder();
    const run = await makeTinyRun(join(folder, 'run'));
    await writeCalibration(run, { ...calibration, checkpoint: 'step-2.safetensors' });
    expect((await exportRun(run.path, { out: join(folder, 'other') })).card.calibration).toBeNull();
    await writeFile(run.file('calibration.json'), '{"format":"drf-calibration-2"}');
    const attempt = exportRun(run.path, { out: join(folder, 'damaged') });
    await expect(attempt).rejects.toThrow(/calibration.json expected a calibration of format drf-calibration-2, received a damaged one/); // prettier-ignore
  });
});

describe('bad input', () => {
  it('is a folder without a run', async () => {
    const folder = await temporaryFolder();
    const attempt = exportRun(join(folder, 'nothing'), { out: join(folder, 'out') });
    await expect(attempt).rejects.toThrow(DataError);
    await expect(attempt).rejects.toThrow(/expected a folder that training made, with config.json, received none/);
    expect(await readdir(folder)).toEqual([]);
  });

  it('is a run of a method that reads tokens', async () => {
    const folder = await temporaryFolder();
    const tokens = { image: { count: 4, dim: 3 }, text: { count: 5, dim: 2 } };
    const run = await makeTinyRun(join(folder, 'run'), { method: 'hsan', shapes: { imageDim: 6, textDim: 9, tokens } });
    const attempt = exportRun(run.path, { out: join(folder, 'out') });
    await expect(attempt).rejects.toThrow(
      'expected a method that reads one feature an image and a text, received hsan, which reads tokens; export a run of',
    );
    expect(await readdir(folder)).toEqual(['run']);
  });

  it('is a truncated checkpoint', async () => {
    const folder = await temporaryFolder();
    const run = await makeTinyRun(join(folder, 'run'));
    await truncate(run.checkpointPath(3), 2000);
    const attempt = exportRun(run.path, { out: join(folder, 'out') });
    await expect(attempt).rejects.toThrow(CheckpointError);
    await expect(attempt).rejects.toThrow(/step-3.safetensors/);
    expect(await readdir(folder)).toEqual(['run']);
  });

  it('is an output folder below a file', async () => {
    const folder = await temporaryFolder();
    const run = await makeTinyRun(join(folder, 'run'));
    await writeFile(join(folder, 'file'), '');
    const attempt = exportRun(run.path, { out: join(folder, 'file', 'out') });
    await expect(attempt).rejects.toThrow(DataError);
    await expect(attempt).rejects.toThrow(/expected a folder that can be made and written, received ENOTDIR/);
  });

  it('is a folder with an export, unless it may be overwritten', async () => {
    const { run, out } = await exported();
    const attempt = exportRun(run.path, { out });
    await expect(attempt).rejects.toThrow(ConfigurationError);
    await expect(attempt).rejects.toThrow(/received an export; use --overwrite to replace it/);
    await writeFile(join(out, 'model.onnx'), 'of a former export');
    await exportRun(run.path, { out, overwrite: true });
    expect((await readdir(out)).sort()).toEqual(['README.md', 'card.json', 'head.onnx']);
  });

  it('is a folder with other files, whatever was asked for', async () => {
    const { run } = await exported();
    const attempt = exportRun(run.path, { out: run.path, overwrite: true });
    await expect(attempt).rejects.toThrow(/received other files \(checkpoints, config.json\); choose another --out/);
    expect(await readdir(run.path)).toContain('config.json');
  });

  it('is a length of texts that no model reads', async () => {
    const { run, folder } = await exported();
    const attempt = exportRun(run.path, { out: join(folder, 'other'), tokens: 16 });
    await expect(attempt).rejects.toThrow(/--tokens expected a text encoder that is part of model.onnx/);
  });
});

describe('a method of the user’s own', () => {
  const id = 'drf-like@0123456789ab';
  /** Scores of the three classes: the first numbers of the image's feature. */
  function load(read: (scores: tf.Tensor2D) => tf.Tensor2D, needs: MethodDefinition['needs'] = {}): void {
    const definition: MethodDefinition = {
      name: 'drf-like',
      create: () => ({
        initialParameters: () => ({ trained: { unused: hostTensor([0], [1]) } }),
        predict: (_, { image }) => {
          const scores = tf.slice(image.features as tf.Tensor2D, [0, 0], [-1, 3]);
          return predictionOf(named(read(scores), ['batch', 'classes']));
        },
      }),
      needs,
    };
    addOwnDefinition('./drf-like.ts', { id, definition, parseOptions: () => ({}) });
  }

  it('has scores alone, whatever it is called', async () => {
    load((scores) => tf.mul(scores, 2));
    const { head, card, opened } = await exported({ method: id });
    expect(card).toMatchObject({ method: id, queues: null });
    const posts = randomPosts(SHAPES, 3);
    const expected = await predictedOutputs(opened, posts);
    const outputs = await runOnnx(head, await headBatch(posts));
    expect(Object.keys(outputs).sort()).toEqual(['logits', 'probabilities']);
    expectOutputs(outputs, expected);
  });

  it('is refused where it reads numbers, and where it needs what no file could say', async () => {
    load((scores) => tf.tensor2d([...scores.dataSync()], [scores.shape[0], 3]));
    await expect(exported({ method: id })).rejects.toThrow(/Export of own method drf-like@0123456789ab expected a prediction of tensor operations alone/); // prettier-ignore
    load((scores) => scores, { bothModalities: true });
    await expect(exported({ method: id })).rejects.toThrow(`expected a method that can take a missing modality, received ${id}, which needs both`); // prettier-ignore
  });
});

describe('example posts', () => {
  it('are copied when they are asked for, replaced with the export, and missed where there are none', async () => {
    const { run, out } = await exported();
    await expect(exportRun(run.path, { out, overwrite: true, examples: true })).rejects.toThrow(
      'export --examples expected example posts in the run (examples/), received none; leave --examples out, or train again with --examples 6',
    );
    await mkdir(run.file('examples'));
    for (const name of ['examples.json', '0.jpg', 'notes.txt']) await writeFile(run.file('examples', name), name);
    await exportRun(run.path, { out, overwrite: true });
    expect(await readdir(out)).not.toContain('examples');
    const { written } = await exportRun(run.path, { out, overwrite: true, examples: true });
    expect(written).toContain(join(out, 'examples/0.jpg'));
    expect((await readdir(join(out, 'examples'))).sort()).toEqual(['0.jpg', 'examples.json']);
    await exportRun(run.path, { out, overwrite: true });
    expect(await readdir(out)).not.toContain('examples');
  });
});
