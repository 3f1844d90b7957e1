import * as tf from '@tensorflow/tfjs';
import { recompute, withSlope } from './gradient.js';

/** x · Φ(x), with the error function. Source: Hendrycks and Gimpel, "Gaussian Error Linear Units" (2016). */
function gelu(x: tf.Tensor): tf.Tensor {
  const cumulative = tf.add(tf.erf(tf.div(x, Math.SQRT2)), 1); // 2·Φ(x)
  return tf.mul(tf.mul(x, cumulative), 0.5);
}

/** With u = x/√2: Φ(x) + x·φ(x) = ½·(1 + erf u + u·exp(ln(2/√π) − u²)). */
function geluSlope(x: tf.Tensor): tf.Tensor {
  const u = tf.mul(x, Math.SQRT1_2);
  const bell = tf.exp(tf.sub(Math.log(2 / Math.sqrt(Math.PI)), tf.mul(u, u)));
  return tf.mul(tf.add(tf.add(tf.erf(u), tf.mul(u, bell)), 1), 0.5);
}

/** The same by tanh, as the original BERT code has it: ½·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))). */
function geluTanh(x: tf.Tensor): tf.Tensor {
  const inner = tf.mul(tf.add(x, tf.mul(tf.mul(tf.square(x), x), 0.044715)), Math.sqrt(2 / Math.PI));
  return tf.mul(tf.mul(x, tf.add(tf.tanh(inner), 1)), 0.5);
}

const silu = (x: tf.Tensor): tf.Tensor => tf.mul(x, tf.sigmoid(x));

/** By their names in a Hugging Face `config.json`. */
const ACTIVATIONS = {
  gelu,
  gelu_python: gelu,
  gelu_new: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  gelu_fast: geluTanh,
  quick_gelu: (x: tf.Tensor): tf.Tensor => tf.mul(x, tf.sigmoid(tf.mul(x, 1.702))),
  relu: (x: tf.Tensor): tf.Tensor => tf.relu(x),
  silu,
  swish: silu,
  tanh: (x: tf.Tensor): tf.Tensor => tf.tanh(x),
} as const;

/** An activation by the name that `config.json` gives it (`hidden_act`). */
export type ActivationName = keyof typeof ACTIVATIONS;
/** Every {@link ActivationName}. */
export const ACTIVATION_NAMES = Object.keys(ACTIVATIONS) as readonly ActivationName[];

/** Applies an activation element by element. For the gradient only x is kept, not what stands between. */
export function activate(name: ActivationName, x: tf.Tensor): tf.Tensor {
  if (ACTIVATIONS[name] === gelu) return withSlope(gelu, geluSlope, x);
  return recompute(([input]) => ACTIVATIONS[name](input as tf.Tensor), [x], { onlyCompiled: true });
}
