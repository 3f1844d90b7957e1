import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { ConfigurationError, createRandom, flattenTree, type HostTensor, mapTree } from '@drf/tensor';
import { toTensor } from '@drf/tensor/transfer';
import { applyVit, initializeVit, vitParameters, vitTensors, vitTokens } from './vit.js';
import { parseVitConfig } from './families.js';

beforeAll(async () => void (await tf.setBackend('cpu')));

const SMALL = {
  model_type: 'vit',
  hidden_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 12,
  image_size: [6, 5],
  patch_size: [2, 3],
};

describe('parseVitConfig', () => {
  it('takes the defaults of transformers', () => {
    const config = parseVitConfig({ model_type: 'vit' }, 'x');
    expect(config).toMatchObject({
      family: 'vit',
      imageHeight: 224,
      imageWidth: 224,
      patchHeight: 16,
      patchWidth: 16,
      channels: 3,
      hiddenSize: 768,
      layers: 12,
      heads: 12,
      intermediateSize: 3072,
      activation: 'gelu',
      normEpsilon: 1e-12,
      queryKeyValueBias: true,
      pooler: { kind: 'dense', size: 768, activation: 'tanh' },
      initializerRange: 0.02,
      dropout: { hidden: 0, attention: 0 },
    });
    expect(vitTokens(config)).toBe(197);
    expect(vitTokens(parseVitConfig({ model_type: 'deit' }, 'x'))).toBe(198);
    expect(vitTokens(parseVitConfig(SMALL, 'x'))).toBe(1 + 3 * 1);
  });

  it.each([
    [{ image_size: 0 }, '"image_size" to be a whole number from 1 to 16777216, or two, received 0'],
    [{ image_size: [4, 4, 4] }, '"image_size" to be a whole number from 1 to 16777216, or two, received [4,4,4]'],
    [{ patch_size: 7 }, '"patch_size" within "image_size" 6 × 5, received 7 × 7'],
    [{ num_attention_heads: 5 }, '"num_attention_heads" that divides "hidden_size" 8, received 5'],
    [{ qkv_bias: 'yes' }, '"qkv_bias" to be true or false, received "yes"'],
    [{ layer_norm_eps: -1 }, '"layer_norm_eps" to be a finite number from 0, received -1'],
    [{ hidden_act: 'toString' }, '"hidden_act" to be an activation: gelu'],
    [
      { model_type: 'beit' },
      'a "model_type" of an image encoder: vit, deit, dinov2, dinov2_with_registers, clip, clip_vision_model, siglip, siglip_vision_model, received "beit"; choose a model of one of these',
    ],
  ])('refuses %o', (changes, message) => {
    const parse = (): unknown => parseVitConfig({ ...SMALL, ...changes }, 'some/config.json');
    expect(parse).toThrow(ConfigurationError);
    expect(parse).toThrow(`some/config.json expected ${message}`);
  });
});

describe('applyVit', () => {
  it('says that the pixels have another size', () => {
    const config = parseVitConfig(SMALL, 'x');
    tf.tidy(() => {
      const parameters = mapTree(initializeVit(createRandom(1), config), toTensor);
      expect(applyVit(config, parameters, tf.zeros([2, 6, 5, 3])).tokens.shape).toEqual([2, 4, 8]);
      expect(() => applyVit(config, parameters, tf.zeros([2, 3, 6, 5]))).toThrow(
        'applyVit, pixels, expected [*, 6, 5, 3], received [2, 3, 6, 5]; scale the images to the model',
      );
    });
  });
});

describe('initializeVit', () => {
  it('follows the seed, and goes out to names of files and back', () => {
    const config = parseVitConfig({ ...SMALL, model_type: 'deit', pooler_output_size: 3 }, 'x');
    const parameters = initializeVit(createRandom(1), config, { pooler: true });
    expect(initializeVit(createRandom(1), config, { pooler: true })).toEqual(parameters);
    expect(initializeVit(createRandom(2), config, { pooler: true })).not.toEqual(parameters);
    expect(flattenTree<HostTensor>(parameters).get('pooler.kernel')?.shape).toEqual([8, 3]);
    const tensors = vitTensors(parameters, config);
    expect(tensors.get('embeddings.patch_embeddings.projection.weight')?.shape).toEqual([8, 3, 2, 3]);
    expect(tensors.get('embeddings.distillation_token')?.shape).toEqual([1, 1, 8]);
    expect(vitParameters(tensors, config, 'test')).toEqual(parameters);
  });
});
