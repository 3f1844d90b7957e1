import type { backend_util } from '@tensorflow/tfjs';
import type { Graph } from '../graph/graph.js';
import type { Value } from '../graph/value.js';
import { channelsBack, channelsFirst } from './channels.js';
import { convolutionInfo, paddingOf, type ConvolutionAttributes } from './convolution.js';
import { defineKernel, input, type Kernel } from './kernel.js';
import { slice } from './slicing.js';

type Info = backend_util.Conv2DInfo;

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

export const CONVOLUTION_GRADIENT_KERNELS: readonly Kernel[] = [
  conv2dInput,
  conv2dFilter,
  depthwiseInput,
  depthwiseFilter,
];
