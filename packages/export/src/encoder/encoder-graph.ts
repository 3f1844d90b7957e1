import type * as tf from '@tensorflow/tfjs';
import { compile } from '@drf/engine';
import { hostTensor, mapTree, sizeOf, type Host, type HostTree, type TensorTree } from '@drf/tensor';
import { foldConstants } from '../onnx/fold-constants.js';
import type { OnnxModel } from '../onnx/model.js';
import { withSymbolicBatch, withSymbolicBatchAndLength } from '../onnx/symbolic-batch.js';
import { castNode, renameInputs, transposeNode, type InputRename } from './rename-inputs.js';
import type { EncoderSource } from './encoder-source.js';
import { insertWeights, WEIGHTS } from './insert-weights.js';

/** The parameters' shapes without their numbers: a graph is traced several times before it gets its weights. */
function shapesOf(parameters: HostTree): HostTree {
  return mapTree(parameters, (leaf) => ({ ...leaf, data: new Float32Array(0) }));
}

function textInputs(batch: number, length: number, hasTypes: boolean): HostTree {
  const whole = hostTensor(new Int32Array(batch * length), [batch, length]);
  const mask = hostTensor(new Float32Array(batch * length), [batch, length]);
  return { ids: whole, mask, ...(hasTypes ? { tokenTypes: whole } : {}) };
}

const TEXT_INPUTS: readonly InputRename[] = [
  { from: 'ids', to: 'input_ids', elementType: 'int64', node: castNode('int32') },
  { from: 'mask', to: 'attention_mask', elementType: 'int64', node: castNode('float32') },
  { from: 'tokenTypes', to: 'token_type_ids', elementType: 'int64', node: castNode('int32') },
];

/** transformers.js and Python have channels first: [batch, channel, height, width]. */
const IMAGE_INPUTS: readonly InputRename[] = [
  { from: 'pixels', to: 'pixel_values', elementType: 'float32', node: transposeNode([0, 2, 3, 1]) },
];

function trace(source: EncoderSource, shapes: HostTree, inputs: HostTree): Uint8Array {
  const compute = (all: TensorTree): TensorTree => {
    const { [WEIGHTS]: weights, ...rest } = all;
    const { tokens, pooled } = source.apply(weights as TensorTree, rest as Record<string, tf.Tensor>);
    return { last_hidden_state: tokens, ...(pooled === undefined ? {} : { pooler_output: pooled }) };
  };
  const example = { [WEIGHTS]: shapes, ...inputs } as Host<TensorTree>;
  return compile(compute, example).toOnnx({ name: source.modelType, description: 'an encoder' });
}

/**
 * A model in ONNX with the inputs and outputs that transformers.js and Hugging Face's exporters have: `input_ids`,
 * `attention_mask` and, where the model has token types, `token_type_ids`, int64 [batch, sequence]; or `pixel_values`
 * [batch, channel, height, width]; `last_hidden_state` and, where the model has a pooler, `pooler_output`. Any number of
 * contents; texts of any length that the model has positions for.
 */
export async function encoderGraph(source: EncoderSource, parameters: HostTree): Promise<OnnxModel> {
  const shapes = shapesOf(parameters);
  const { reads } = source;
  const isImage = reads.modality === 'image';
  const traced = isImage
    ? withSymbolicBatch((batch) => {
        const shape = [batch, reads.height, reads.width, reads.channels];
        return trace(source, shapes, { pixels: hostTensor(new Float32Array(sizeOf(shape)), shape) });
      })
    : withSymbolicBatchAndLength(
        (batch, length) => trace(source, shapes, textInputs(batch, length, reads.hasTypes)),
        reads.longest,
      );
  const renamed = renameInputs(await foldConstants(traced), isImage ? IMAGE_INPUTS : TEXT_INPUTS);
  return insertWeights(renamed, parameters);
}
