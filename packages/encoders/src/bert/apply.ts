import * as tf from '@tensorflow/tfjs';
import { assertShape, ShapeMismatchError, type TensorTree } from '@drf/tensor';
import {
  applyNorm,
  applyTransformer,
  dropEmbeddings,
  lookUp,
  transformerOutputs,
  type LinearMap,
  type NormParameters,
  type TransformerLayers,
  type TransformerOptions,
  type TransformerOutputs,
} from '@drf/layers';
import { longestText, type BertConfig } from './config.js';

/** A batch of tokenized texts: int32 numbers of word pieces and what stands where, [batch, token]. */
export type BertInputs = {
  /** int32 [batch, length] */
  readonly ids: tf.Tensor;
  /** float32 [batch, length]: 1 token, 0 padding */
  readonly mask: tf.Tensor;
  /** int32 [batch, length]; zeros where absent */
  readonly tokenTypes?: tf.Tensor;
};

/** RoBERTa counts tokens that are not padding, from behind the padding's id; padding itself has that id. */
function robertaPositions(ids: tf.Tensor, paddingId: number): tf.Tensor {
  const isToken = tf.cast(tf.notEqual(ids, paddingId), 'int32');
  return tf.add(tf.mul(tf.cumsum(isToken, 1), isToken), tf.scalar(paddingId, 'int32')); // int32 [batch, length]
}

/** [batch, length, dim], or [length, dim] where each text has the same positions */
function embedPositions({ family, paddingId }: BertConfig, table: tf.Tensor, ids: tf.Tensor): tf.Tensor {
  if (family === 'roberta') return lookUp(table, robertaPositions(ids, paddingId), paddingId);
  return tf.slice(table, [0, 0], [ids.shape[1] as number, -1]);
}

/** [batch, length, dim], or [1, dim] where every token is of type 0 */
function embedTypes(table: tf.Tensor, types: tf.Tensor | undefined): tf.Tensor {
  return types === undefined ? tf.slice(table, [0, 0], [1, -1]) : lookUp(table, types);
}

type BertParameters = {
  readonly embeddings: {
    readonly word: tf.Tensor;
    readonly position: tf.Tensor;
    readonly tokenType?: tf.Tensor;
    readonly norm: NormParameters;
  };
  readonly layers: TransformerLayers;
  readonly pooler?: LinearMap;
};

function embed(config: BertConfig, parameters: BertParameters['embeddings'], inputs: BertInputs): tf.Tensor {
  const { word, position, tokenType, norm } = parameters;
  const { ids, tokenTypes } = inputs;
  let sum = lookUp(word, ids, config.paddingId); // → [batch, length, dim]
  if (tokenType !== undefined) sum = tf.add(sum, embedTypes(tokenType, tokenTypes));
  sum = tf.add(sum, embedPositions(config, position, ids));
  return applyNorm(norm, sum, { epsilon: config.normEpsilon });
}

function assertInputs(config: BertConfig, { ids, mask, tokenTypes }: BertInputs): void {
  assertShape('applyBert, ids,', ids, ['*', '*']);
  assertShape('applyBert, mask,', mask, ids.shape);
  if (tokenTypes !== undefined) assertShape('applyBert, tokenTypes,', tokenTypes, ids.shape);
  const [length, longest] = [ids.shape[1] as number, longestText(config)];
  if (length <= longest) return;
  throw new ShapeMismatchError({
    subject: 'applyBert, ids,',
    expected: `at most ${longest} tokens, for which the model has positions`,
    received: `${length}`,
    remedy: 'cut the texts',
  });
}

/**
 * The encoder of BERT, RoBERTa or DistilBERT. Computes what `BertModel`, `RobertaModel` and `DistilBertModel` of
 * transformers compute in evaluation mode, and in training with `options.dropout`. What stands in places of padding is
 * finite and means nothing.
 * Source: Devlin et al., "BERT" (NAACL 2019); Liu et al., "RoBERTa" (2019); Sanh et al., "DistilBERT" (2019).
 * @throws ShapeMismatchError for inputs that do not fit each other, or are longer than the model's positions
 */
export function applyBert(
  config: BertConfig,
  parameters: TensorTree,
  inputs: BertInputs,
  options: TransformerOptions = {},
): TransformerOutputs {
  assertInputs(config, inputs);
  const { embeddings, layers, pooler } = parameters as BertParameters;
  const { heads, activation, normEpsilon: epsilon, family } = config;
  const design = {
    heads,
    activation,
    norm: { epsilon },
    normalize: 'after',
    dropsAttended: family !== 'distilbert',
  } as const;
  const embedded = dropEmbeddings(embed(config, embeddings, inputs), options.dropout);
  const states = applyTransformer(design, layers, embedded, inputs.mask, options);
  return transformerOutputs(states, pooler, 'tanh');
}
