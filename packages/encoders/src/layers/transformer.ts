import * as tf from '@tensorflow/tfjs';
import { named, type Features, type Named, type TensorTree } from '@drf/tensor';
import { activate, type ActivationName } from './activation.js';
import { applyLinear } from './linear.js';
import type { LoraOptions } from './lora.js';

/** Last hidden states, and the pooled output where the parameters have a pooler. */
export interface TransformerOutputs {
  readonly tokens: Named<['batch', 'token', 'dim']>;
  readonly pooled?: Features;
}

export interface TransformerOptions {
  /** What low-rank updates were added with ({@link addLora}); needed where the parameters have some. */
  readonly lora?: LoraOptions;
}

/** Up, activation, down: [batch, length, dim] → [batch, length, intermediate] → [batch, length, dim] */
export function applyMlp(
  parameters: TensorTree,
  x: tf.Tensor,
  activation: ActivationName,
  lora: LoraOptions | undefined,
): tf.Tensor {
  const { up, down } = parameters as { readonly up: TensorTree; readonly down: TensorTree };
  return applyLinear(down, activate(activation, applyLinear(up, x, lora)), lora);
}

/** Outputs from the last hidden states [batch, token, dim]: a pooler maps the first token, where there is one. */
export function transformerOutputs(
  states: tf.Tensor,
  pooler: TensorTree | undefined,
  activation: ActivationName,
): TransformerOutputs {
  const tokens = named(states, ['batch', 'token', 'dim']);
  if (pooler === undefined) return { tokens };
  const [batch, , dim] = states.shape as [number, number, number];
  const first = tf.reshape(tf.slice(states, [0, 0, 0], [batch, 1, dim]), [batch, dim]);
  return { tokens, pooled: named(activate(activation, applyLinear(pooler, first)), ['batch', 'dim']) };
}
