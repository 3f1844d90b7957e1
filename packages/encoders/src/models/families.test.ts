import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '@drf/tensor';
import { parseBertConfig, parseVitConfig } from './families.js';
import { biasBucket, logBucket } from './relative.js';
import { fixturePath, readsImages } from '../testing/reference.js';

async function parseChanged(name: string, changes: object) {
  const config = JSON.parse(await readFile(fixturePath(name, 'config.json'), 'utf8')) as object;
  return (readsImages(config) ? parseVitConfig : parseBertConfig)({ ...config, ...changes }, 'config.json');
}

describe('keys that change what a model computes, and are not built here,', () => {
  it.each<[string, object, RegExp]>([
    ['deberta-v3', { conv_kernel_size: 3 }, /"conv_kernel_size" to be 0, received 3/],
    ['deberta-v3', { embedding_size: 4 }, /"embedding_size" to be 8, received 4/],
    ['deberta-v3', { pos_att_type: 'p2p' }, /"pos_att_type" to be "c2p" and "p2c"/],
    ['deberta-v3', { norm_rel_ebd: 'rms' }, /"norm_rel_ebd" to be "none" or "layer_norm"/],
    ['mpnet', { relative_attention_num_buckets: 64 }, /"relative_attention_num_buckets" to be 32, received 64/],
    ['mpnet', { pad_token_id: 0 }, /"pad_token_id" to be 1, received 0/],
    ['modernbert', { rope_scaling: { type: 'yarn' } }, /"rope_scaling" to be null/],
    [
      'modernbert',
      { rope_parameters: { full_attention: { rope_type: 'yarn' } } },
      /"rope_type" to be "default", received "yarn"/,
    ],
    ['modernbert', { layer_types: ['sliding_attention'] }, /"layer_types" to be "full_attention" for the first layer/],
    ['modernbert', { embedding_dropout: 0.1 }, /"embedding_dropout" to be the same as "mlp_dropout"/],
    ['dinov2', { drop_path_rate: 0.1 }, /"drop_path_rate" to be 0, received 0.1/],
    ['dinov2', { model_type: 'siglip2' }, /received "siglip2"; choose .*of SigLIP 2 one of fixed resolution/],
    ['clip-vision', { hidden_act: 'mish' }, /"hidden_act" to be an activation/],
  ])('are refused by name: %s with %o', async (name, changes, message) => {
    const attempt = parseChanged(name, changes);
    await expect(attempt).rejects.toThrow(ConfigurationError);
    await expect(attempt).rejects.toThrow(message);
  });

  it('are read in the words of older files, too', async () => {
    const config = {
      model_type: 'modernbert',
      num_hidden_layers: 4,
      global_attn_every_n_layers: 2,
      global_rope_theta: 7,
    };
    expect(parseBertConfig(config, 'x').local).toEqual({
      globalEvery: 2,
      window: 64,
      globalBase: 7,
      localBase: 10_000,
    });
    const clip = {
      model_type: 'clip',
      text_config: { hidden_size: 16 },
      text_config_dict: { hidden_size: 24, num_attention_heads: 3 },
    };
    expect(parseBertConfig(clip, 'x')).toMatchObject({ hiddenSize: 24, heads: 3, causal: true, longest: 77 });
  });
});

// values of transformers: DebertaV2's make_log_bucket_position(d, 256, 512), MPNet's relative_position_bucket(d)
describe('buckets of distances', () => {
  it('grow with the logarithm, and have the sign of the distance', () => {
    const distances = [0, 1, 127, 128, 129, 200, 300, 511, -129, -511];
    expect(distances.map((each) => logBucket(each, 256, 512))).toEqual([
      0, 1, 127, 128, 129, 169, 207, 255, -129, -255,
    ]);
    expect(distances.map((each) => logBucket(each, 0, 512))).toEqual(distances);
  });

  it('are those of T5', () => {
    const ahead = [0, 1, 7, 8, 12, 16, 64, 127, 500, -1, -7, -8, -16, -500];
    expect(ahead.map((each) => biasBucket(each, 32))).toEqual([0, 17, 23, 24, 25, 26, 30, 31, 31, 1, 7, 8, 10, 15]);
  });
});
