import * as tf from '@tensorflow/tfjs';
import { named, type Features, type Named, type TensorTree } from '@drf/tensor';
import { BLOCK_CHANNELS, MOBILE_NET_DIM, STRIDED_BLOCKS } from './mobile-net-parameters.js';

type Convolution = { readonly kernel: tf.Tensor; readonly bias: tf.Tensor };
type Activation = 'relu6' | 'linear';

function convolve(input: tf.Tensor4D, { kernel, bias }: Convolution, stride: number, activation: Activation) {
  return tf.fused.conv2d({ x: input, filter: kernel as tf.Tensor4D, strides: stride, pad: 'same', bias, activation });
}

function convolveEachChannel(input: tf.Tensor4D, { kernel, bias }: Convolution, stride: number) {
  return tf.fused.depthwiseConv2d({
    x: input,
    filter: kernel as tf.Tensor4D,
    strides: stride,
    pad: 'same',
    bias,
    activation: 'relu6',
  });
}

/** An inverted residual: widen (1×1), filter each channel (3×3), narrow without activation (1×1), add the input. */
function invertedResidual(input: tf.Tensor4D, parameters: TensorTree, stride: number): tf.Tensor4D {
  const { expand, depthwise, project } = parameters as Record<string, Convolution>;
  const wide = expand === undefined ? input : convolve(input, expand, 1, 'relu6'); // [b, h, w, c] → [b, h, w, 6·c]
  const filtered = convolveEachChannel(wide, depthwise as Convolution, stride); // → [b, h/stride, w/stride, 6·c]
  const narrow = convolve(filtered, project as Convolution, 1, 'linear'); // → [b, h/stride, w/stride, output]
  const keepsShape = stride === 1 && input.shape[3] === narrow.shape[3];
  return keepsShape ? tf.add(input, narrow) : narrow;
}

/** The last convolution's map. `pixels` [batch, 224, 224, 3] in 0 … 1 → [batch, 7, 7, 1792]. */
function featureMap(parameters: TensorTree, pixels: tf.Tensor): tf.Tensor4D {
  const centered = tf.sub<tf.Tensor4D>(tf.mul(pixels, 2), 1); // −1 … 1
  let map = convolve(centered, parameters['stem'] as Convolution, 2, 'relu6'); // [b, 112, 112, 48]
  BLOCK_CHANNELS.forEach((_, index) => {
    const stride = STRIDED_BLOCKS.includes(index) ? 2 : 1;
    map = invertedResidual(map, parameters[`block${index}`] as TensorTree, stride);
  });
  return convolve(map, parameters['head'] as Convolution, 1, 'relu6'); // [b, 7, 7, 448] → [b, 7, 7, 1792]
}

/** Input of both functions below: float32 [batch, 224, 224, 3] in 0 … 1. */
export type PixelInputs = { readonly pixels: tf.Tensor };

/**
 * MobileNetV2 without its classifier: the last map averaged over its 49 places.
 * Source: Sandler et al., "MobileNetV2: Inverted residuals and linear bottlenecks" (CVPR 2018); width 1.4, batch
 * normalization folded into the convolutions.
 */
export function mobileNetFeatures(parameters: TensorTree, inputs: PixelInputs): { readonly features: Features } {
  const map = featureMap(parameters, inputs.pixels);
  return { features: named(tf.mean(map, [1, 2]), ['batch', 'dim']) }; // [b, 7, 7, 1792] → [b, 1792]
}

/** The last map's 49 places as tokens, row by row. */
export function mobileNetTokens(
  parameters: TensorTree,
  inputs: PixelInputs,
): { readonly tokens: Named<['batch', 'token', 'dim']> } {
  const map = featureMap(parameters, inputs.pixels);
  const tokens = tf.reshape(map, [map.shape[0], -1, MOBILE_NET_DIM]); // [b, 7, 7, 1792] → [b, 49, 1792]
  return { tokens: named(tokens, ['batch', 'token', 'dim']) };
}
