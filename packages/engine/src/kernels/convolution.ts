import { backend_util } from '@tensorflow/tfjs';
import type { Graph } from '../graph/graph.js';
import type { Attributes, Value } from '../graph/value.js';
import { apply, defineKernel, input, type Kernel, type KernelInputs } from './kernel.js';
import { slice } from './slicing.js';
import { activate, type ActivationAttributes } from './unary.js';

/** [batch, height, width, channels] → [batch, channels, height, width], the layout of ONNX. */
const TO_CHANNELS_FIRST = [0, 3, 1, 2];
const TO_CHANNELS_LAST = [0, 2, 3, 1];

type DataFormat = 'NHWC' | 'NCHW';

export function channelsFirst(graph: Graph, x: Value, format: DataFormat = 'NHWC'): Value {
  return format === 'NHWC' ? graph.transpose(x, TO_CHANNELS_FIRST) : x;
}

/** Back to the caller's layout. Where the next operation wants channels first, the two transpositions cancel. */
export function channelsBack(graph: Graph, x: Value, format: DataFormat = 'NHWC'): Value {
  return format === 'NHWC' ? graph.transpose(x, TO_CHANNELS_LAST) : x;
}

interface ConvolutionAttributes {
  readonly strides: number | [number, number];
  readonly pad: 'valid' | 'same' | number | backend_util.ExplicitPadding;
  readonly dataFormat?: DataFormat;
  readonly dilations?: number | [number, number];
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

type Info = backend_util.Conv2DInfo;
type Shape4 = [number, number, number, number];

function convolutionInfo(
  inputShape: readonly number[],
  filterShape: readonly number[],
  { strides, pad, dataFormat, dilations, dimRoundingMode }: ConvolutionAttributes,
  depthwise: boolean,
): Info {
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
function paddingOf(info: Info): [number, number, number, number] {
  const after = (size: number, out: number, stride: number, window: number, before: number): number =>
    Math.max(0, (out - 1) * stride + window - size - before);
  const { top, left } = info.padInfo;
  const bottom = after(info.inHeight, info.outHeight, info.strideHeight, info.effectiveFilterHeight, top);
  const right = after(info.inWidth, info.outWidth, info.strideWidth, info.effectiveFilterWidth, left);
  return [top, left, bottom, right];
}

export function windowAttributes(info: Info): Attributes {
  return {
    kernel_shape: [info.filterHeight, info.filterWidth],
    strides: [info.strideHeight, info.strideWidth],
    pads: paddingOf(info),
    dilations: [info.dilationHeight, info.dilationWidth],
  };
}

export function outputShapeFirst(info: Info): number[] {
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
  readonly info: Info;
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

/** Carries gradients from a convolution's output back to its input [batch, channels, height, width]. */
export function backToInput(graph: Graph, dy: Value, weights: Value, info: Info, groups: number): Value {
  const pads = paddingOf(info);
  const reached = (out: number, stride: number, window: number, before: number, after: number): number =>
    (out - 1) * stride + window - before - after;
  const extra = [
    info.inHeight - reached(info.outHeight, info.strideHeight, info.effectiveFilterHeight, pads[0], pads[2]),
    info.inWidth - reached(info.outWidth, info.strideWidth, info.effectiveFilterWidth, pads[1], pads[3]),
  ];
  return graph.operation(
    'ConvTranspose',
    [dy, weights],
    [info.batchSize, info.inChannels, info.inHeight, info.inWidth],
    'float32',
    {
      kernel_shape: [info.filterHeight, info.filterWidth],
      strides: [info.strideHeight, info.strideWidth],
      dilations: [info.dilationHeight, info.dilationWidth],
      pads,
      output_padding: extra,
      group: groups,
    },
  );
}

/**
 * The filter's gradient is a convolution of the input with the output's gradient as the window: strides and dilations
 * change places.
 * @param x [1 or channels, batches, height, width] as the groups demand
 * @returns [first axis of x, outputs, filterHeight, filterWidth]
 */
function backToFilter(graph: Graph, x: Value, dy: Value, info: Info, groups: number): Value {
  const pads = paddingOf(info);
  const span = (size: number, pad: number, out: number, stride: number, dilation: number): number =>
    Math.floor((size + pad - ((out - 1) * stride + 1)) / dilation) + 1;
  const height = span(info.inHeight, pads[0] + pads[2], info.outHeight, info.strideHeight, info.dilationHeight);
  const width = span(info.inWidth, pads[1] + pads[3], info.outWidth, info.strideWidth, info.dilationWidth);
  const shape = [x.shape[0] as number, dy.shape[0] as number, height, width];
  const full = graph.operation('Conv', [x, dy], shape, 'float32', {
    kernel_shape: [info.outHeight, info.outWidth],
    strides: [info.dilationHeight, info.dilationWidth],
    dilations: [info.strideHeight, info.strideWidth],
    pads,
    group: groups,
  });
  return slice(graph, full, [0, 0, 0, 0], [...shape.slice(0, 2), info.filterHeight, info.filterWidth]);
}

const conv2dInput = defineKernel<ConvolutionAttributes & { readonly inputShape: number[] }>(
  'Conv2DBackpropInput',
  (graph, inputs, attributes) => {
    const filter = input(inputs, 'filter');
    const info = convolutionInfo(attributes.inputShape, filter.shape, attributes, false);
    const dy = channelsFirst(graph, input(inputs, 'dy'), attributes.dataFormat);
    const dx = backToInput(graph, dy, graph.transpose(filter, [3, 2, 0, 1]), info, 1);
    return channelsBack(graph, dx, attributes.dataFormat);
  },
  'small',
);

const conv2dFilter = defineKernel<ConvolutionAttributes & { readonly filterShape: number[] }>(
  'Conv2DBackpropFilter',
  (graph, inputs, attributes) => {
    const x = channelsFirst(graph, input(inputs, 'x'), attributes.dataFormat);
    const dy = channelsFirst(graph, input(inputs, 'dy'), attributes.dataFormat);
    const info = convolutionInfo(input(inputs, 'x').shape, attributes.filterShape, attributes, false);
    const byChannel = graph.transpose(x, [1, 0, 2, 3]); // [in, batch, height, width]
    const dw = backToFilter(graph, byChannel, graph.transpose(dy, [1, 0, 2, 3]), info, 1); // [in, out, h, w]
    return graph.transpose(dw, [2, 3, 0, 1]);
  },
  'small',
);

const depthwiseInput = defineKernel<ConvolutionAttributes & { readonly inputShape: number[] }>(
  'DepthwiseConv2dNativeBackpropInput',
  (graph, inputs, attributes) => {
    const filter = input(inputs, 'filter');
    const info = convolutionInfo(attributes.inputShape, filter.shape, attributes, true);
    const dy = channelsFirst(graph, input(inputs, 'dy'));
    const weights = graph.reshape(graph.transpose(filter, [2, 3, 0, 1]), [
      info.outChannels,
      1,
      info.filterHeight,
      info.filterWidth,
    ]);
    return channelsBack(graph, backToInput(graph, dy, weights, info, info.inChannels));
  },
  'small',
);

const depthwiseFilter = defineKernel<ConvolutionAttributes & { readonly filterShape: number[] }>(
  'DepthwiseConv2dNativeBackpropFilter',
  (graph, inputs, attributes) => {
    const [x, dy] = [input(inputs, 'x'), input(inputs, 'dy')];
    const info = convolutionInfo(x.shape, attributes.filterShape, attributes, true);
    const { batchSize: batch, inChannels: channels, inHeight, inWidth } = info;
    // one group a channel, with the batch where a convolution has its input channels
    const rows = graph.reshape(graph.transpose(x, [3, 0, 1, 2]), [1, channels * batch, inHeight, inWidth]);
    const windows = graph.transpose(dy, [3, 0, 1, 2]); // [channels · multiplier, batch, outHeight, outWidth]
    const dw = backToFilter(graph, rows, windows, info, channels); // [1, channels · multiplier, h, w]
    const multiplier = info.outChannels / channels;
    const split = graph.reshape(dw, [channels, multiplier, info.filterHeight, info.filterWidth]);
    return graph.transpose(split, [2, 3, 0, 1]);
  },
  'small',
);

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
  conv2dInput,
  conv2dFilter,
  depthwiseInput,
  depthwiseFilter,
];
