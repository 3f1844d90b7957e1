import * as tf from '@tensorflow/tfjs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createEngine } from '@drf/engine';
import {
  ConfigurationError,
  createRandom,
  flattenTree,
  type HostTensor,
  type HostTree,
  type Modality,
  type RgbImage,
  type TensorTree,
  unflattenTree,
} from '@drf/tensor';
import { dropoutSeeds } from '@drf/layers';
import type { TrainableEncoder } from '../contract.js';
import type { TrainableOptions } from './open-model.js';
import { openEncoder, openTrainableEncoder } from '../open-encoder.js';
import { maximumDifference } from '../testing/graph-model.js';
import { gradientImage } from '../testing/images.js';
import { temporaryFolder } from '../testing/temporary-folder.js';
import { writeTinyBert, writeTinyVit } from '../testing/tiny-transformers.js';

const LORA = { rank: 2, alpha: 4, targets: ['query', 'value'] } as const;

async function openTiny<M extends Modality>(modality: M, options: TrainableOptions = {}) {
  const folder = await (modality === 'image' ? writeTinyVit : writeTinyBert)(await temporaryFolder());
  return openTrainableEncoder(`huggingface:${folder}`, modality, options);
}

function trainedNames({
  initialParameters,
  isTrained,
}: Pick<TrainableEncoder<never>, 'initialParameters' | 'isTrained'>) {
  return [...flattenTree<HostTensor>(initialParameters).keys()].filter(isTrained);
}

/** Runs a pure function of a trainable encoder's parameters and inputs. */
async function run(
  compute: (parameters: TensorTree, inputs: TensorTree) => TensorTree,
  parameters: HostTree,
  inputs: HostTree,
  engineName = 'compiled',
): Promise<Record<string, HostTensor>> {
  const engine = await createEngine(engineName);
  onTestFinished(() => engine.dispose());
  const program = await engine.prepare(compute, parameters);
  const outputs = await program.run(inputs);
  await program.dispose();
  return outputs as Record<string, HostTensor>;
}

describe('openTrainableEncoder', () => {
  it.each(['mean', 'cls', 'pooler'] as const)('computes what the frozen one does, %s', async (pooling) => {
    const folder = await writeTinyBert(await temporaryFolder());
    const engine = await createEngine('eager:wasm');
    const frozen = await openEncoder(`huggingface:${folder}`, 'text', engine, { pooling });
    const texts = ['good day', 'a bad movie the the the the the the the the the the the the the'];
    const expected = [await frozen.encode(texts), (await frozen.encodeTokens?.(texts))?.tokens as HostTensor];
    const encoder = await openTrainableEncoder(`huggingface:${folder}`, 'text', { pooling });
    expect(encoder).toMatchObject({ trainable: true, outputDim: 8, tokenDim: 8, maskToken: '[MASK]', id: frozen.id });
    const inputs = await encoder.preprocess(texts);
    expect(inputs).toMatchObject({ ids: { shape: [2, 24], dtype: 'int32' }, mask: { shape: [2, 24] } });
    const { features, tokens } = await run(
      (parameters, batch) => ({
        features: encoder.apply(parameters, batch),
        tokens: encoder.applyTokens?.(parameters, batch).tokens as tf.Tensor,
      }),
      encoder.initialParameters,
      inputs,
    );
    expect(maximumDifference(features?.data ?? [], expected[0]?.data ?? [])).toBeLessThan(1e-5);
    const mask = (inputs['mask'] as HostTensor).data;
    const differences = Array.from(mask, (value, place) =>
      value === 0
        ? 0
        : maximumDifference(
            tokens?.data.subarray(place * 8, place * 8 + 8) ?? [],
            expected[1]?.data.subarray(place * 8, place * 8 + 8) ?? [],
          ),
    );
    expect(Math.max(...differences)).toBeLessThan(1e-5);
    await frozen.dispose();
    await encoder.dispose();
    await engine.dispose();
  });

  it('trains everything unless told otherwise, but for a pooler that nothing reads', async () => {
    const mean = await openTiny('text');
    const names = [...flattenTree<HostTensor>(mean.initialParameters).keys()];
    expect(trainedNames(mean)).toEqual(names.filter((name) => !name.startsWith('pooler.')));
    expect(trainedNames(await openTiny('text', { pooling: 'pooler' }))).toEqual(names);
  });

  it.each([
    [0, /^$/],
    [1, /^(layers\.1\.|norm\.)/],
    [2, /^(layers\.|norm\.)/],
  ])('trains the %i top layers and what follows them', async (trainableLayers, expected) => {
    const encoder = await openTiny('image', { trainableLayers });
    const names = [...flattenTree<HostTensor>(encoder.initialParameters).keys()];
    expect(trainedNames(encoder)).toEqual(names.filter((name) => expected.test(name)));
    const pooled = trainedNames(await openTiny('image', { trainableLayers, pooling: 'pooler' }));
    expect(pooled.some((name) => name.startsWith('pooler.'))).toBe(trainableLayers > 0);
  });

  it('trains low-rank updates alone; they change nothing at first and follow the seed', async () => {
    const random = createRandom(5);
    const encoder = await openTiny('image', { lora: LORA, random });
    const names = trainedNames(encoder);
    expect(names).toHaveLength(2 * 2 * 2);
    expect(names.every((name) => /attention\.(query|value)\.lora(Down|Up)$/.test(name))).toBe(true);
    expect(encoder.id).toMatch(/:lora-2-4-query\+value$/);
    const plain = await openTiny('image');
    const inputs = await encoder.preprocess([gradientImage('a', 20, 30)]);
    const features = (each: typeof encoder) =>
      run((parameters, batch) => ({ features: each.apply(parameters, batch) }), each.initialParameters, inputs);
    expect((await features(encoder))['features']).toEqual((await features(plain))['features']);
    const again = await openTiny('image', { lora: LORA, random: createRandom(5) });
    expect(again.initialParameters).toEqual(encoder.initialParameters);
    expect((await openTiny('image', { lora: LORA, random: createRandom(6) })).initialParameters).not.toEqual(
      encoder.initialParameters,
    );
  });

  describe.each(['eager:cpu', 'compiled'])('parted at its first trained layer, on %s', (engineName) => {
    it.each([
      ['text', 0],
      ['text', 1],
      ['image', 1],
      ['image', 2],
    ] as const)('is the whole to the bit: %s, %i trained layers', async (modality, trainableLayers) => {
      const options = { trainableLayers, pooling: 'pooler', dropout: 0.4 } as const;
      const encoder: TrainableEncoder<RgbImage | string> = await openTiny(modality, options);
      const { split } = encoder;
      if (split === undefined) return expect.fail('no split');
      const contents = modality === 'image' ? [gradientImage('a', 16, 16)] : ['good bad day', 'a'];
      const dropout = dropoutSeeds(contents.map((_, i) => createRandom(i)));
      const inputs: HostTree = { ...(await encoder.preprocess(contents)), dropout };
      const parameters = encoder.initialParameters;
      const names = [...flattenTree<HostTensor>(parameters).keys()];
      expect(names.filter(split.isLower).every((name) => !encoder.isTrained(name))).toBe(true);
      const only = (kept: boolean): HostTree =>
        unflattenTree([...flattenTree<HostTensor>(parameters)].filter(([name]) => split.isLower(name) === kept));
      const whole = await run(
        (tree, given) => ({ ...encoder.applyTokens?.(tree, given) }),
        parameters,
        inputs,
        engineName,
      );
      const states = await run((tree, given) => split.lower(tree, given), parameters, inputs, engineName);
      const upper = await run(
        (tree, given) => ({ ...split.upperTokens(tree, given) }),
        only(false),
        { ...states, dropout },
        engineName,
      );
      expect(upper).toEqual(whole);
      const plain = await run(
        (tree, given) => ({ ...split.upperTokens(tree, given) }),
        only(false),
        states,
        engineName,
      );
      if (trainableLayers > 0) expect(plain).not.toEqual(whole);
    });
  });

  it('has no split where all layers train, by themselves or by low-rank updates', async () => {
    expect((await openTiny('text')).split).toBeUndefined();
    expect((await openTiny('text', { lora: LORA })).split).toBeUndefined();
  });

  it('has a gradient for each parameter that it trains', async () => {
    for (const modality of ['image', 'text'] as const) {
      const encoder = (await openTiny(modality)) as unknown as TrainableEncoder<unknown>;
      const inputs = await encoder.preprocess([modality === 'image' ? gradientImage('a', 16, 16) : 'good bad day']);
      const names = trainedNames(encoder);
      const gradients = await run(
        (parameters, batch) => {
          const leaves = flattenTree<tf.Tensor>(parameters);
          const loss = (...trained: tf.Tensor[]): tf.Scalar => {
            const tree = new Map(leaves);
            names.forEach((name, i) => tree.set(name, trained[i] as tf.Tensor));
            return tf.sum(tf.square(encoder.apply(unflattenTree([...tree]), batch))).asScalar();
          };
          const { grads } = tf.valueAndGrads(loss)(names.map((name) => leaves.get(name) as tf.Tensor));
          return Object.fromEntries(grads.map((gradient, i) => [String(i), tf.sum(tf.abs(gradient))]));
        },
        encoder.initialParameters,
        inputs,
      );
      names.forEach((name, i) => {
        // shifting all keys alike changes no softmax
        if (!name.endsWith('key.bias')) expect(gradients[String(i)]?.data[0], `${modality} ${name}`).toBeGreaterThan(0);
      });
    }
  });

  it('pads texts to the lengths that it is told, the last of which cuts', async () => {
    const encoder = await openTiny('text', { textLengths: [8, 4] });
    const shapes = await Promise.all(
      [['good'], ['good bad day'], ['the '.repeat(50)], []].map(async (texts) => {
        return ((await encoder.preprocess(texts))['ids'] as HostTensor).shape;
      }),
    );
    expect(shapes).toEqual([
      [1, 4],
      [1, 8],
      [1, 8],
      [0, 4],
    ]);
    const { ids } = (await encoder.preprocess(['the '.repeat(50)])) as { ids: HostTensor };
    expect([...ids.data]).toEqual([2, 9, 9, 9, 9, 9, 9, 3]);
  });

  it.each<[object, string]>([
    [
      { pooling: 'median' },
      'Hugging Face encoder, pooling, expected "mean", "cls", "pooler", "max", "mean_sqrt_len", "weightedmean", "lasttoken", "cls_mean", received "median"',
    ],
    [{ trainableLayers: -1 }, 'trainableLayers, expected a whole number from 0, or "all", received -1'],
    [{ trainableLayers: 3 }, 'trainableLayers, expected at most 2, the layers of the model, received 3; use "all"'],
    [{ trainableLayers: 1, lora: LORA }, 'trainableLayers, expected nothing beside lora'],
    [{ lora: { ...LORA, rank: 0 } }, 'addLora, rank, expected a whole number from 1, received 0'],
    [
      { textLengths: [8, 100] },
      'openEncoder, textLengths, expected whole numbers from 2 to 24, the tokens that the model',
    ],
  ])('refuses %o', async (options, message) => {
    const error = await openTiny('text', options as TrainableOptions).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as Error).message).toContain(message);
  });

  it('refuses other names, models of the other modality, and poolings without a pooler', async () => {
    await expect(openTrainableEncoder('embedded', 'text')).rejects.toThrow(
      'openTrainableEncoder expected "huggingface:<hub id or folder>", received "embedded"; the other encoders are frozen',
    );
    const folder = await writeTinyBert(await temporaryFolder(), { pooler: false });
    await expect(openTrainableEncoder(`huggingface:${folder}`, 'text', { pooling: 'pooler' })).rejects.toThrow(
      `pooling "pooler" expected a pooler in the weights of ${folder}, received none`,
    );
    const vit = await writeTinyVit(await temporaryFolder(), { preprocessor: { size: 32 } });
    await expect(openTrainableEncoder(`huggingface:${vit}`, 'image')).rejects.toThrow(
      `preprocessor_config.json of ${vit} expected images of 16 × 16 after preprocessing, which the model reads, received 32 × 32`,
    );
  });
});
