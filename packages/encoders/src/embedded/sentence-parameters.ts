import { floatData, hostTensor, type HostTensor, type HostTree } from '@drf/tensor';
import type { GraphWeights } from './graph-weights.js';

/** Word pieces that the model reads of a text; the rest is cut off, as the model itself does. */
export const MAXIMUM_TOKENS = 128;
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

function transformerLayer(weights: GraphWeights, layer: number, dim: number): HostTree {
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
export function sentenceParameters(weights: GraphWeights): HostTree {
  const timescales = `${ENCODE}/TransformerStack/Layer_0/AddTimingSignal/TimingSignal/ExpandDims_1`;
  const widen = `${ENCODE}/Layer_0/TransformerLayer/dense`;
  const top = 'module/Encoder_en/hidden_layers/tanh_layer_0';
  return {
    embedding: weights.take('module/Embeddings_en', [VOCABULARY, EMBEDDING_DIM]),
    position: positionSignal(weights.take(timescales, [1, EMBEDDING_DIM / 2])),
    layer0: transformerLayer(weights, 0, EMBEDDING_DIM),
    widen: {
      kernel: weights.take(`${widen}/kernel/${CONCATENATED}`, [EMBEDDING_DIM, SENTENCE_DIM]),
      bias: weights.take(`${widen}/bias/${CONCATENATED}`, [SENTENCE_DIM]),
    },
    layer1: transformerLayer(weights, 1, SENTENCE_DIM),
    top: {
      kernel: weights.take(`${top}/weights`, [SENTENCE_DIM, SENTENCE_DIM]),
      bias: weights.take(`${top}/bias`, [SENTENCE_DIM]),
    },
  };
}
