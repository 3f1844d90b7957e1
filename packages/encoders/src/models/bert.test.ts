import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { ConfigurationError, createRandom, flattenTree, type HostTensor, mapTree, type TensorTree } from '@drf/tensor';
import { toTensor } from '@drf/tensor/transfer';
import { applyBert, bertParameters, bertTensors, initializeBert, longestText } from './bert.js';
import { parseBertConfig } from './families.js';

beforeAll(async () => void (await tf.setBackend('cpu')));

const SMALL = {
  model_type: 'bert',
  hidden_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 12,
  vocab_size: 9,
  max_position_embeddings: 6,
};
const CONFIG = parseBertConfig(SMALL, 'config.json');

function withTensors(run: (parameters: TensorTree) => void): void {
  tf.tidy(() => run(mapTree(initializeBert(createRandom(1), CONFIG), toTensor)));
}

describe('parseBertConfig', () => {
  it('takes the defaults of transformers', () => {
    expect(parseBertConfig({ model_type: 'bert' }, 'x')).toMatchObject({
      family: 'bert',
      vocabularySize: 30522,
      positions: 512,
      tokenTypes: 2,
      paddingId: 0,
      hiddenSize: 768,
      layers: 12,
      heads: 12,
      intermediateSize: 3072,
      activation: 'gelu',
      normEpsilon: 1e-12,
      initializerRange: 0.02,
      dropout: { hidden: 0.1, attention: 0.1 },
    });
    const distil = parseBertConfig({ model_type: 'distilbert', dim: 32, n_heads: 4, n_layers: 3, hidden_dim: 64 }, 'x');
    expect(distil).toMatchObject({ family: 'distilbert', hiddenSize: 32, heads: 4, layers: 3, tokenTypes: 0 });
    expect(parseBertConfig({ model_type: 'camembert', vocab_size: 32005 }, 'x')).toMatchObject({ family: 'roberta' });
  });

  it('counts the longest text from where positions begin', () => {
    expect(longestText(CONFIG)).toBe(6);
    expect(longestText(parseBertConfig({ model_type: 'roberta', max_position_embeddings: 514 }, 'x'))).toBe(512);
  });

  it.each([
    [{ hidden_size: -8 }, '"hidden_size" to be a whole number from 1 to 16777216, received -8'],
    [{ hidden_size: 8.5 }, '"hidden_size" to be a whole number from 1 to 16777216, received 8.5'],
    [{ num_hidden_layers: '12' }, '"num_hidden_layers" to be a whole number from 1 to 16777216, received "12"'],
    [{ layer_norm_eps: NaN }, '"layer_norm_eps" to be a finite number from 0, received null'],
    [{ num_attention_heads: 3 }, '"num_attention_heads" that divides "hidden_size" 8, received 3'],
    [{ hidden_act: 'mish' }, '"hidden_act" to be an activation: gelu, gelu_python, '],
    [
      { position_embedding_type: 'relative_key' },
      '"position_embedding_type" to be "absolute", received "relative_key"',
    ],
    [{ is_decoder: true }, '"is_decoder" to be false, received true'],
    [{ pad_token_id: 9 }, '"pad_token_id" below "vocab_size" 9, received 9'],
    [{ model_type: 'roberta', max_position_embeddings: 2 }, '"max_position_embeddings" above 2, where positions begin'],
    [{ model_type: 'vit' }, 'a "model_type" of a text encoder: bert, '],
  ])('refuses %o', (changes, message) => {
    const parse = (): unknown => parseBertConfig({ ...SMALL, ...changes }, 'some/config.json');
    expect(parse).toThrow(ConfigurationError);
    expect(parse).toThrow(`some/config.json expected ${message}`);
  });
});

describe('applyBert', () => {
  const ids = [[4, 5, 6, 0]]; // prettier-ignore

  it('takes tokens for type 0 where no types are given', () => {
    withTensors((parameters) => {
      const inputs = { ids: tf.tensor2d(ids, undefined, 'int32'), mask: tf.ones([1, 4]) };
      const tokenTypes = tf.zeros([1, 4], 'int32');
      const plain = applyBert(CONFIG, parameters, inputs).tokens;
      expect(applyBert(CONFIG, parameters, { ...inputs, tokenTypes }).tokens.dataSync()).toEqual(plain.dataSync());
      expect(plain.shape).toEqual([1, 4, 8]);
    });
  });

  it('keeps padding out of the tokens, and a text without tokens finite', () => {
    withTensors((parameters) => {
      const states = (row: number[], mask: number[]) =>
        applyBert(CONFIG, parameters, { ids: tf.tensor2d([row], undefined, 'int32'), mask: tf.tensor2d([mask]) })
          .tokens;
      const [a, b] = [states([4, 5, 6, 0], [1, 1, 0, 0]), states([4, 5, 7, 8], [1, 1, 0, 0])];
      expect([...a.dataSync().slice(0, 16)]).toEqual([...b.dataSync().slice(0, 16)]);
      expect([...states([0, 0, 0, 0], [0, 0, 0, 0]).dataSync()].every(Number.isFinite)).toBe(true);
    });
  });

  it('says which input does not fit', () => {
    withTensors((parameters) => {
      const inputs = { ids: tf.zeros([2, 7], 'int32'), mask: tf.ones([2, 7]) };
      expect(() => applyBert(CONFIG, parameters, inputs)).toThrow(
        'applyBert, ids, expected at most 6 tokens, for which the model has positions, received 7; cut the texts',
      );
      const mask = tf.ones([2, 3]);
      expect(() => applyBert(CONFIG, parameters, { ids: tf.zeros([2, 4], 'int32'), mask })).toThrow(
        'applyBert, mask, expected [2, 4], received [2, 3]',
      );
    });
  });
});

describe('initializeBert', () => {
  it('draws from the seed, with zeros for biases and padding and ones for scales', () => {
    const leaves = flattenTree<HostTensor>(initializeBert(createRandom(1), CONFIG));
    expect(initializeBert(createRandom(1), CONFIG)).toEqual(initializeBert(createRandom(1), CONFIG));
    expect(initializeBert(createRandom(1), CONFIG)).not.toEqual(initializeBert(createRandom(2), CONFIG));
    expect([...(leaves.get('layers.0.mlp.up.bias')?.data ?? [])]).toEqual(Array(12).fill(0));
    expect([...(leaves.get('layers.0.mlpNorm.scale')?.data ?? [])]).toEqual(Array(8).fill(1));
    const word = [...(leaves.get('embeddings.word')?.data ?? [])];
    expect(word.slice(0, 8)).toEqual(Array(8).fill(0));
    const spread = Math.sqrt(word.slice(8).reduce((sum, value) => sum + value ** 2, 0) / 64);
    expect(spread / 0.02).toBeCloseTo(1, 0);
    expect(leaves.has('pooler.kernel')).toBe(false);
  });

  it('goes out to names of files and comes back', () => {
    const parameters = initializeBert(createRandom(1), CONFIG, { pooler: true });
    const tensors = bertTensors(parameters, CONFIG);
    expect(tensors.get('encoder.layer.0.intermediate.dense.weight')?.shape).toEqual([12, 8]);
    expect(bertParameters(tensors, CONFIG, 'test')).toEqual(parameters);
  });
});
