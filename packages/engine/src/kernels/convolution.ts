import { backend_util } from '@tensorflow/tfjs';
import type { Graph } from '../graph/graph.js';
import type { Attributes, Value } from '../graph/value.js';
import { activate, type ActivationAttributes } from './activation.js';
import { apply } from './build.js';
import { channelsBack, channelsFirst, type DataFormat } from './channels.js';
import { defineKernel, input, type Kernel, type KernelInputs } from './kernel.js';

export interface ConvolutionAttributes {
  readonly strides: number | [number, number];
  readonly pad: 'valid' | 'same' | number | backend_util.ExplicitPadding;
  readonly dataFormat?: DataFormat;
  readonly dilations?: number | [number, number];
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

type Shape4 = [number, number, number, number];

export function convolutionInfo(
  inputShape: readonly number[],
  filterShape: readonly number[],
  { strides, pad, dataFormat, dilations, dimRoundingMode }: ConvolutionAttributes,
  depthwise: boolean,
): backend_util.Conv2DInfo {
  const format = dataFormat === 'NCHW' ? 'channelsFirst' : 'channelsLast';
  return backend_util.computeConv2DInfo(
    [...inputShape] as Shape4,
    [...filterShape] as Shape4,
    strides,
    dilations ?? 1,
    pad,
    dimRoundingMode,
    depthwise,
    format,
  );
}

/** tfjs says how much to pad before; the padding after follows from the output's size. */
export function paddingOf(info: backend_util.Conv2DInfo): [number, number, number, number] {
  const after = (size: number, out: number, stride: number, window: number, before: number): number =>
    Math.max(0, (out - 1) * stride + window - size - before);
  const { top, left } = info.padInfo;
  const bottom = after(info.inHeight, info.outHeight, info.strideHeight, info.effectiveFilterHeight, top);
  const right = after(info.inWidth, info.outWidth, info.strideWidth, info.effectiveFilterWidth, left);
  return [top, left, bottom, right];
}

export function windowAttributes(info: backend_util.Conv2DInfo): Attributes {
  return {
    kernel_shape: [info.filterHeight, info.filterWidth],
    strides: [info.strideHeight, info.strideWidth],
    pads: paddingOf(info),
    dilations: [info.dilationHeight, info.dilationWidth],
  };
}

export function outputShapeFirst(info: backend_util.Conv2DInfo): number[] {
  return [info.batchSize, info.outChannels, info.outHeight, info.outWidth];
}

/** A bias of one number a channel, or one for all, laid along the channels of [batch, channels, height, width]. */
function asChannelBias(graph: Graph, bias: Value, channels: number): Value {
  return graph.materialize(
    graph.broadcast(
      graph.reshape(
        bias,
        bias.shape.filter((size) => size !== 1),
      ),
      [channels],
    ),
  );
}

interface Convolved {
  readonly weights: Value;
  readonly groups: number;
  readonly info: backend_util.Conv2DInfo;
}

function convolve(graph: Graph, inputs: KernelInputs, { weights, groups, info }: Convolved, format: DataFormat): Value {
  const bias = inputs['bias'];
  const fits = bias === undefined || bias.shape.filter((size) => size !== 1).length <= 1;
  const x = channelsFirst(graph, input(inputs, 'x'), format);
  const operands =
    bias !== undefined && fits ? [x, weights, asChannelBias(graph, bias, info.outChannels)] : [x, weights];
  const attributes = { ...windowAttributes(info), group: groups };
  const result = graph.operation('Conv', operands, outputShapeFirst(info), 'float32', attributes);
  const back = channelsBack(graph, result, format);
  return bias === undefined || fits ? back : apply(graph, 'Add', [back, bias]);
}

/** Filter [height, width, in, out] → [out, in, height, width]. */
function convolution(graph: Graph, inputs: KernelInputs, attributes: ConvolutionAttributes): Value {
  const filter = input(inputs, 'filter');
  const info = convolutionInfo(input(inputs, 'x').shape, filter.shape, attributes, false);
  const weights = graph.transpose(filter, [3, 2, 0, 1]);
  const groups = info.inChannels / (filter.shape[2] as number);
  return convolve(graph, inputs, { weights, groups, info }, attributes.dataFormat ?? 'NHWC');
}

/** Filter [height, width, channels, multiplier] → [channels · multiplier, 1, height, width]. */
function depthwise(graph: Graph, inputs: KernelInputs, attributes: ConvolutionAttributes): Value {
  const filter = input(inputs, 'filter');
  const info = convolutionInfo(input(inputs, 'x').shape, filter.shape, attributes, true);
  const [height, width] = filter.shape as Shape4;
  const weights = graph.reshape(graph.transpose(filter, [2, 3, 0, 1]), [info.outChannels, 1, height, width]);
  return convolve(graph, inputs, { weights, groups: info.inChannels, info }, attributes.dataFormat ?? 'NHWC');
}

type FusedAttributes = ConvolutionAttributes & ActivationAttributes;

/** Weights of `prelu` are one number a channel. */
function activated(graph: Graph, inputs: KernelInputs, attributes: FusedAttributes, sum: Value): Value {
  let alpha = inputs['preluActivationWeights'];
  if (alpha?.shape.length === 1 && attributes.dataFormat === 'NCHW') {
    alpha = graph.reshape(alpha, [...alpha.shape, 1, 1]);
  }
  return activate(graph, sum, attributes, alpha);
}

export const CONVOLUTION_KERNELS: readonly Kernel[] = [
  defineKernel<ConvolutionAttributes>('Conv2D', convolution, 'small'),
  defineKernel<ConvolutionAttributes>('DepthwiseConv2dNative', depthwise, 'small'),
  defineKernel<FusedAttributes>(
    'FusedConv2D',
    (graph, inputs, attributes) => activated(graph, inputs, attributes, convolution(graph, inputs, attributes)),
    'small',
  ),
  defineKernel<FusedAttributes>(
    'FusedDepthwiseConv2D',
    (graph, inputs, attributes) => activated(graph, inputs, attributes, depthwise(graph, inputs, attributes)),
    'small',
  ),
];
