import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createEngine } from '@drf/engine';
import {
  createTransformersEncoder,
  loadBert,
  mergeLora,
  openEncoder,
  openTrainableEncoder,
  type TrainableTextEncoder,
} from '@drf/encoders';
import { readSafetensors } from '@drf/files';
import {
  CheckpointError,
  ConfigurationError,
  createRandom,
  hostTensor,
  type HostTensor,
  type HostTree,
  mapTree,
  type TensorTree,
} from '@drf/tensor';
import * as ort from 'onnxruntime-node';
import { describe, expect, it, onTestFinished } from 'vitest';
import { gradientImage, writeTinyBert, writeTinyVit } from '@drf/encoders/testing';
import { createEncodedMethod, openTrainedEncoders, parseExperiment, RunFolder } from '@drf/experiment';
import { saveCheckpoint } from '@drf/model/checkpoint';
import { execute, findPython, temporaryFolder } from '../testing/tools.js';
import { encoderOfRun, exportEncoder, isRun } from './export-encoder.js';

const FIXTURES = fileURLToPath(new URL('../../../../packages/encoders/fixtures', import.meta.url));
const SCRIPT = fileURLToPath(new URL('../../reference/check_encoder.py', import.meta.url));
const TEXTS = ['good day', '', 'a bad [MASK] movie!', 'the '.repeat(40), 'bad days'];
const IMAGES = [gradientImage('a', 16, 16), gradientImage('b', 40, 20), gradientImage('c', 5, 9)];

function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return Array.from(a).reduce((worst, value, i) => Math.max(worst, Math.abs(value - (b[i] as number))), 0);
}

/** States where the reference's loss reads them, not those of padding; other numbers as they are. */
function read(values: ArrayLike<number> | undefined, expected: ReadonlyMap<string, HostTensor>): number[] {
  const factors = expected.get('state_factors')?.data ?? [];
  return Array.from(values ?? [], (value, i) => (values?.length === factors.length && factors[i] === 0 ? 0 : value));
}

/** What the exported graph says of a reference's inputs. */
async function runGraph(folder: string, inputs: ReadonlyMap<string, HostTensor>) {
  const [file] = await readdir(join(folder, 'onnx'));
  const session = await ort.InferenceSession.create(join(folder, 'onnx', file as string), { logSeverityLevel: 3 });
  const feeds = session.inputNames.map((name) => {
    const { data, shape } = inputs.get(name) as HostTensor;
    const isWhole = data instanceof Int32Array;
    return [
      name,
      isWhole
        ? new ort.Tensor('int64', BigInt64Array.from(data, BigInt), shape)
        : new ort.Tensor('float32', data, shape),
    ] as const;
  });
  const outputs = await session.run(Object.fromEntries(feeds));
  const names = session.inputNames;
  await session.release();
  return { names, outputs: outputs as Record<string, ort.TypedTensor<'float32'>> };
}

describe('exportEncoder', () => {
  it.each(['mean', 'cls', 'pooler'] as const)(
    'gives transformers.js a text encoder with the same features, %s',
    async (pooling) => {
      const folder = await writeTinyBert(await temporaryFolder());
      const out = join(await temporaryFolder(), 'out');
      const files = await exportEncoder(folder, 'text', { out });
      expect(files.map((file) => file.slice(out.length + 1))).toEqual([
        'tokenizer.json',
        'tokenizer_config.json',
        'onnx/model.onnx',
        'model.safetensors',
        'config.json',
      ]);
      const engine = await createEngine('compiled');
      const ours = await openEncoder(`huggingface:${folder}`, 'text', engine, { pooling });
      const theirs = await createTransformersEncoder({ modality: 'text', model: out, pooling });
      expect(theirs.maskToken).toBe('[MASK]');
      expect(difference((await theirs.encode(TEXTS)).data, (await ours.encode(TEXTS)).data)).toBeLessThan(1e-4);
      expect(difference((await theirs.encode(['bad'])).data, (await ours.encode(['bad'])).data)).toBeLessThan(1e-4);
      await Promise.all([ours.dispose(), theirs.dispose()]);
      await engine.dispose();
    },
  );

  it('gives transformers.js an image encoder with the same features', async () => {
    const folder = await writeTinyVit(await temporaryFolder());
    const out = join(await temporaryFolder(), 'out');
    await exportEncoder(folder, 'image', { out });
    const engine = await createEngine('compiled');
    const ours = await openEncoder(`huggingface:${folder}`, 'image', engine);
    const theirs = await createTransformersEncoder({ modality: 'image', model: out });
    // an image that needs no scaling: transformers.js scales by another filter
    const images = [IMAGES[0] as (typeof IMAGES)[number]];
    expect(difference((await theirs.encode(images)).data, (await ours.encode(images)).data)).toBeLessThan(1e-4);
    await Promise.all([ours.dispose(), theirs.dispose()]);
    await engine.dispose();
  });

  it.each([
    ...[
      'bert',
      'roberta',
      'distilbert',
      'xlm-roberta',
      'bert-sharded',
      'mpnet',
      'deberta-v2',
      'deberta-v3',
      'modernbert',
    ],
    ...[
      'clip-text',
      'clip-text-legacy',
      'siglip-text',
      'vit',
      'vit-odd',
      'deit',
      'dinov2',
      'clip-vision',
      'siglip-vision',
    ],
  ])('writes a graph that says what transformers says, %s', async (name) => {
    const { tensors } = await readSafetensors(join(FIXTURES, name, 'expected.safetensors'));
    const modality = tensors.has('pixel_values') ? 'image' : 'text';
    const out = join(await temporaryFolder(), 'out');
    await exportEncoder(join(FIXTURES, name), modality, { out });
    const { names, outputs } = await runGraph(out, tensors);
    expect(names).toEqual(
      ['input_ids', 'attention_mask', 'token_type_ids', 'pixel_values'].filter((each) => names.includes(each)),
    );
    expect(
      difference(read(outputs['last_hidden_state']?.data, tensors), read(tensors.get('states')?.data, tensors)),
    ).toBeLessThan(1e-4);
    const pooled = tensors.get('pooled');
    if (pooled !== undefined)
      expect(
        difference(
          outputs[Object.keys(outputs).find((each) => each !== 'last_hidden_state') ?? '']?.data ?? [],
          pooled.data,
        ),
      ).toBeLessThan(1e-4);
  });

  it('writes weights that open again as the same parameters', async () => {
    const folder = await writeTinyBert(await temporaryFolder());
    const out = join(await temporaryFolder(), 'out');
    await exportEncoder(folder, 'text', { out });
    expect((await loadBert(out)).parameters).toEqual((await loadBert(folder)).parameters);
    expect(JSON.parse(await readFile(join(out, 'config.json'), 'utf8'))).toMatchObject({
      model_type: 'bert',
      architectures: ['BertModel'],
    });
  });

  it('exports parameters as training left them, low-rank updates merged', async () => {
    const folder = await writeTinyBert(await temporaryFolder());
    const lora = { rank: 2, alpha: 4, targets: ['query', 'value', 'up'] } as const;
    const encoder = await openTrainableEncoder(`huggingface:${folder}`, 'text', { lora });
    const random = createRandom(1);
    const trained = mapTree(encoder.initialParameters, (leaf, name) =>
      encoder.isTrained(name)
        ? hostTensor(
            leaf.data.map(() => random.uniform(-0.5, 0.5)),
            leaf.shape,
          )
        : leaf,
    ) as HostTree;
    const out = join(await temporaryFolder(), 'out');
    await exportEncoder(folder, 'text', { out, parameters: mergeLora(trained, lora) });
    const theirs = await createTransformersEncoder({ modality: 'text', model: out });
    const expected = await features(encoder, trained, TEXTS);
    expect(difference((await theirs.encode(TEXTS)).data, expected.data)).toBeLessThan(1e-4);
    expect(difference((await features(encoder, encoder.initialParameters, TEXTS)).data, expected.data)).toBeGreaterThan(
      1e-2,
    );
    await theirs.dispose();
    await expect(exportEncoder(folder, 'text', { out, overwrite: true, parameters: trained })).rejects.toThrow(
      CheckpointError,
    );
  });

  it("gives Python's transformers a model with the same outputs", async (context) => {
    const python = await findPython('import torch, transformers');
    if (python === undefined) return context.skip('no Python with torch and transformers on the path, nor in PYTHON');
    const names = [
      'bert',
      'vit',
      'dinov2',
      'mpnet',
      'deberta-v3',
      'modernbert',
      'clip-text',
      'clip-vision',
      'siglip-text',
    ];
    const folder = await temporaryFolder();
    const cases = await Promise.all(
      [...names, 'siglip-vision'].map(async (name) => {
        const { tensors } = await readSafetensors(join(FIXTURES, name, 'expected.safetensors'));
        const out = join(folder, name);
        await exportEncoder(join(FIXTURES, name), tensors.has('pixel_values') ? 'image' : 'text', { out });
        const { names: given, outputs } = await runGraph(out, tensors);
        const inputs = given.map((each) => [each, nested(tensors.get(each) as HostTensor)] as const);
        await writeFile(`${out}.json`, JSON.stringify(Object.fromEntries(inputs)));
        return { out, outputs, tensors };
      }),
    );
    const { stdout } = await execute(python, [SCRIPT, ...cases.map(({ out }) => out)], { maxBuffer: 2 ** 26 });
    const theirs = JSON.parse(stdout) as Record<string, number[]>[];
    cases.forEach(({ out, outputs, tensors }, i) => {
      const received = theirs[i] as Record<string, number[]>;
      expect(received, out).toMatchObject({ missing: [], unexpected: [] });
      for (const [output, { data }] of Object.entries(outputs)) {
        expect(difference(read(data, tensors), read(received[output], tensors)), `${out} ${output}`).toBeLessThan(1e-4);
      }
    });
  }, 120_000);

  it('refuses an occupied folder', async () => {
    const folder = await writeTinyBert(await temporaryFolder());
    const out = await temporaryFolder();
    await exportEncoder(folder, 'text', { out });
    await expect(exportEncoder(folder, 'text', { out })).rejects.toThrow(
      `Output folder ${out} expected a new or empty folder, received an export; use --overwrite to replace it`,
    );
    await exportEncoder(folder, 'text', { out, overwrite: true });
    await writeFile(join(out, 'notes.txt'), '');
    const error = await exportEncoder(folder, 'text', { out, overwrite: true }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as Error).message).toContain('other files (notes.txt)');
  });
});

async function features(encoder: TrainableTextEncoder, parameters: HostTree, texts: readonly string[]) {
  const engine = await createEngine('compiled');
  onTestFinished(() => engine.dispose());
  const program = await engine.prepare(
    (weights: TensorTree, inputs: TensorTree) => ({ features: encoder.apply(weights, inputs) }),
    parameters,
  );
  return (await program.run(await encoder.preprocess(texts))).features;
}

/** A tensor as arrays of arrays. */
function nested({ data, shape }: HostTensor): unknown {
  const [, ...rest] = shape;
  if (shape.length === 1) return [...data];
  const size = data.length / (shape[0] as number);
  return Array.from({ length: shape[0] as number }, (_, i) =>
    nested({ shape: rest, dtype: 'float32', data: data.slice(i * size, (i + 1) * size) }),
  );
}

const shapes = { imageDim: 6, textDim: 8, classes: 2 };

/** A run of concatenation over a trained tiny BERT, every parameter of which was moved by 1. */
async function makeRun(folder: string, model: string, lora = 0, encoders = {}): Promise<string> {
  const config = parseExperiment(
    {
      name: 'tiny',
      method: 'concatenation',
      dataset: { name: 'embedded' },
      encoders: { text: model, trainable: { text: true }, lora: { rank: lora }, ...encoders },
      model: { dim: 4 },
    },
    'tiny',
  );
  const trained = await openTrainedEncoders(config);
  const method = createEncodedMethod(config, shapes, trained);
  const parameters = method.initialParameters(createRandom(1));
  const move = (tree: HostTree): HostTree =>
    mapTree(tree, ({ data, shape }: HostTensor) =>
      hostTensor(
        (data as Float32Array).map((value) => value + 1),
        shape,
      ),
    );
  const moved = { trained: move(parameters.trained), fixed: move(parameters.fixed ?? {}) };
  const run = await RunFolder.create(join(folder, `run-${lora}`), { overwrite: true });
  await saveCheckpoint(run.checkpointPath(1), {
    method: method.id,
    state: { parameters: moved },
    memory: {},
    position: { step: 1, epoch: 1, stepInEpoch: 0 },
    progress: null,
  });
  await run.writeDescription({
    config,
    classes: ['positive', 'negative'],
    encoders: { image: 'an-image-encoder', text: (trained.text as TrainableTextEncoder).id },
    shapes,
    engine: 'eager:cpu',
    versions: { node: '', platform: '', packages: {}, git: null },
    createdAt: '2026-01-01T00:00:00.000Z',
  });
  return run.path;
}

it('exports the encoder of a run as it was trained, and not as it came', async () => {
  const folder = await temporaryFolder();
  const model = await writeTinyBert(join(folder, 'bert'));
  const run = await makeRun(folder, model);
  expect([isRun(run), isRun(model)]).toEqual([true, false]);
  const trained = await encoderOfRun(run, 'text');
  const out = join(folder, 'out');
  await exportEncoder(trained.model, 'text', { out, ...trained });
  const name = 'encoder.layer.1.output.dense.bias';
  const [before, after] = [await readSafetensors(join(model, 'model.safetensors')), await readSafetensors(join(out, 'model.safetensors'))]; // prettier-ignore
  const expected = Array.from(before.tensors.get(name)?.data ?? [], (value) => Math.fround(value + 1));
  expect(expected).toHaveLength(8);
  expect(Array.from(after.tensors.get(name)?.data ?? [])).toEqual(expected);
});

it('merges low-rank updates, so that the folder is an ordinary model', async () => {
  const folder = await temporaryFolder();
  const model = await writeTinyBert(join(folder, 'bert'));
  const { parameters } = await encoderOfRun(await makeRun(folder, model, 2), 'text');
  expect(JSON.stringify(parameters)).not.toContain('lora');
});

it('refuses an encoder that the run did not train', async () => {
  const folder = await temporaryFolder();
  const run = await makeRun(folder, await writeTinyBert(join(folder, 'bert')));
  await expect(encoderOfRun(run, 'image')).rejects.toThrow(
    /Run .* expected one that trained its image encoder, received the frozen encoder embedded; name the model itself/,
  );
  const vit = await writeTinyVit(join(folder, 'vit'));
  const int8 = await makeRun(folder, join(folder, 'bert'), 0, { image: vit, precision: { image: 'int8' } });
  await expect(encoderOfRun(int8, 'image')).rejects.toThrow(
    /the frozen encoder .* in int8; name the model itself, which is written in float32/,
  );
});
