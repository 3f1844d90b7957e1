import type { HostTensor, HostTree } from '@drf/tensor';
import type { GraphWeights } from './graph-weights.js';

/** The part of every weight's name that says nothing. */
const PREFIX =
  'StatefulPartitionedCall/sequential/keras_layer/StatefulPartitionedCall/StatefulPartitionedCall/' +
  'StatefulPartitionedCall/predict/MobilenetV2/';

/** Output channels of the 17 blocks: MobileNetV2 of Sandler et al. (CVPR 2018), Table 2, with width multiplier 1.4. */
export const BLOCK_CHANNELS = [24, 32, 32, 48, 48, 48, 88, 88, 88, 88, 136, 136, 136, 224, 224, 224, 448] as const;
/** The blocks that halve the resolution, by index. */
export const STRIDED_BLOCKS: readonly number[] = [1, 3, 6, 13];
/** Channels of the first convolution and of the last one, which is what gets pooled. */
export const STEM_CHANNELS = 48;
export const MOBILE_NET_DIM = 1792;
/** Every block but the first widens its input by this before the depthwise convolution. */
const EXPANSION = 6;

/** A convolution with its batch normalization folded in. */
interface Convolution extends HostTree {
  readonly kernel: HostTensor;
  readonly bias: HostTensor;
}

function convolution(weights: GraphWeights, name: string, shape: readonly number[], channels: number): Convolution {
  return {
    kernel: weights.take(`${PREFIX}${name}_weights`, shape),
    bias: weights.take(`${PREFIX}${name}_bn_offset`, [channels]),
  };
}

function block(weights: GraphWeights, index: number, input: number, output: number): HostTree {
  const name = index === 0 ? 'expanded_conv' : `expanded_conv_${index}`;
  const wide = index === 0 ? input : input * EXPANSION;
  const pointwise = (part: string, from: number, to: number): Convolution =>
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
export function mobileNetParameters(weights: GraphWeights): HostTree {
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
