import * as tf from '@tensorflow/tfjs';
import { contentHash } from '@drf/files';
import { type Features, type HostTensor, type HostTree, named, type Named, type TensorTree } from '@drf/tensor';
import {
  decodeGraphWeights,
  type GraphModelFile,
  type GraphWeights,
  packageEntryFolder,
  requireOnce,
  type WeightSpec,
} from './graph-weights.js';

/** A tfjs graph model as files hold it: topology, manifest and joined bytes. */
export interface GraphModelData {
  readonly modelTopology: unknown;
  readonly specs: readonly WeightSpec[];
  readonly bytes: Uint8Array;
}

/** Beside the entry file, which is the CommonJS or the ES module one as the process's conditions have it. */
const FOLDER = '../cjs/models/mobilenet_v2_mid';

/**
 * The MobileNetV2 that the npm package `nsfwjs` ships as base64 modules. Only those modules are loaded, not the
 * library, whose `exports` hide them.
 * @throws UnavailableError when the package is not installed
 */
export function readMobileNetFiles(): GraphModelData {
  const folder = packageEntryFolder('nsfwjs');
  const model = requireOnce(folder, `${FOLDER}/model.min.js`) as GraphModelFile;
  const shards = model.weightsManifest.flatMap((group) => group.paths);
  const bytes = shards.map((shard) =>
    Buffer.from(requireOnce(folder, `${FOLDER}/${shard}.min.js`) as string, 'base64'),
  );
  return {
    modelTopology: model.modelTopology,
    specs: model.weightsManifest.flatMap((group) => group.weights),
    bytes: Buffer.concat(bytes),
  };
}

/** Parameters for {@link mobileNetFeatures} and a short hash of the weights' bytes. */
export function loadMobileNet(): { readonly parameters: HostTree; readonly revision: string } {
  const { specs, bytes } = readMobileNetFiles();
  const parameters = mobileNetParameters(decodeGraphWeights('nsfwjs mobilenet_v2_mid', specs, bytes));
  return { parameters, revision: contentHash(bytes).slice(0, 12) };
}

/** The part of every weight's name that says nothing. */
const PREFIX =
  'StatefulPartitionedCall/sequential/keras_layer/StatefulPartitionedCall/StatefulPartitionedCall/' +
  'StatefulPartitionedCall/predict/MobilenetV2/';

/** Output channels of the 17 blocks: MobileNetV2 of Sandler et al. (CVPR 2018), Table 2, with width multiplier 1.4. */
const BLOCK_CHANNELS = [24, 32, 32, 48, 48, 48, 88, 88, 88, 88, 136, 136, 136, 224, 224, 224, 448] as const;
/** The blocks that halve the resolution, by index. */
const STRIDED_BLOCKS: readonly number[] = [1, 3, 6, 13];
/** Channels of the first convolution and of the last one, which is what gets pooled. */
const STEM_CHANNELS = 48;
export const MOBILE_NET_DIM = 1792;
/** Every block but the first widens its input by this before the depthwise convolution. */
const EXPANSION = 6;

/** A convolution with its batch normalization folded in. */
interface ConvolutionWeights extends HostTree {
  readonly kernel: HostTensor;
  readonly bias: HostTensor;
}

function convolution(
  weights: GraphWeights,
  name: string,
  shape: readonly number[],
  channels: number,
): ConvolutionWeights {
  return {
    kernel: weights.take(`${PREFIX}${name}_weights`, shape),
    bias: weights.take(`${PREFIX}${name}_bn_offset`, [channels]),
  };
}

function block(weights: GraphWeights, index: number, input: number, output: number): HostTree {
  const name = index === 0 ? 'expanded_conv' : `expanded_conv_${index}`;
  const wide = index === 0 ? input : input * EXPANSION;
  const pointwise = (part: string, from: number, to: number): ConvolutionWeights =>
    convolution(weights, `${name}/${part}/Conv2D`, [1, 1, from, to], to);
  return {
    ...(index === 0 ? {} : { expand: pointwise('expand', input, wide) }),
    depthwise: convolution(weights, `${name}/depthwise/depthwise`, [3, 3, wide, 1], wide),
    project: pointwise('project', wide, output),
  };
}

/**
 * The parameter tree that {@link mobileNetFeatures} reads.
 * @throws CheckpointError naming a weight that is missing or of another shape
 */
function mobileNetParameters(weights: GraphWeights): HostTree {
  const tree: Record<string, HostTree> = {
    stem: convolution(weights, 'Conv/Conv2D', [3, 3, 3, STEM_CHANNELS], STEM_CHANNELS),
  };
  let channels: number = STEM_CHANNELS;
  BLOCK_CHANNELS.forEach((output, index) => {
    tree[`block${index}`] = block(weights, index, channels, output);
    channels = output;
  });
  tree['head'] = convolution(weights, 'Conv_1/Conv2D', [1, 1, channels, MOBILE_NET_DIM], MOBILE_NET_DIM);
  return tree;
}

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
