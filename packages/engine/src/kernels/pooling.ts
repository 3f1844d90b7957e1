import { backend_util } from '@tensorflow/tfjs';
import { sizeOf } from '@drf/tensor';
import type { Value } from '../graph/value.js';
import { backToInput, channelsBack, channelsFirst, outputShapeFirst, windowAttributes } from './convolution.js';
import { defineKernel, input, type Kernel } from './kernel.js';

interface PoolAttributes {
  readonly filterSize: number | [number, number];
  readonly strides: number | [number, number];
  readonly pad: 'valid' | 'same' | number | backend_util.ExplicitPadding;
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

type Info = backend_util.Conv2DInfo;

function poolInfo(x: Value, { filterSize, strides, pad, dimRoundingMode }: PoolAttributes): Info {
  const shape = [...x.shape] as [number, number, number, number];
  return backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode);
}

function poolAttributes(info: Info): ReturnType<typeof windowAttributes> {
  const { kernel_shape, strides, pads } = windowAttributes(info) as Record<string, number[]>;
  return { kernel_shape, strides, pads } as ReturnType<typeof windowAttributes>;
}

function pool(name: string, operator: string): Kernel {
  return defineKernel<PoolAttributes>(name, (graph, inputs, attributes) => {
    const x = input(inputs, 'x');
    const info = poolInfo(x, attributes);
    const first = channelsFirst(graph, x);
    return channelsBack(
      graph,
      graph.operation(operator, [first], outputShapeFirst(info), x.type, poolAttributes(info)),
    );
  });
}

/** Sends each gradient to the place of its window's greatest element, which MaxPool names as a flat index. */
const maxPoolGradient = defineKernel<PoolAttributes>('MaxPoolGrad', (graph, inputs, attributes) => {
  const x = input(inputs, 'input');
  const info = poolInfo(x, attributes);
  const first = channelsFirst(graph, x);
  const shape = outputShapeFirst(info);
  const outputs = [
    { shape, type: 'float32' },
    { shape, type: 'int64' },
  ] as const;
  const [, places] = graph.operationOf('MaxPool', [first], outputs, poolAttributes(info)) as [Value, Value];
  const zeros = graph.broadcast(graph.scalar(0), [sizeOf(x.shape)]);
  const dy = graph.reshape(channelsFirst(graph, input(inputs, 'dy')), [sizeOf(shape)]);
  const flat = graph.operation(
    'ScatterElements',
    [zeros, graph.reshape(places, [sizeOf(shape)]), dy],
    [sizeOf(x.shape)],
    'float32',
    { axis: 0, reduction: 'add' },
  );
  return channelsBack(graph, graph.reshape(flat, first.shape));
});

/**
 * Spreads each gradient evenly over its window: a transposed convolution with equal weights. As in tfjs a window's
 * share is one over its full size, padding included.
 */
const averagePoolGradient = defineKernel<PoolAttributes>('AvgPoolGrad', (graph, inputs, attributes) => {
  const info = poolInfo(input(inputs, 'input'), attributes);
  const share = graph.scalar(1 / (info.filterHeight * info.filterWidth));
  const weights = graph.broadcast(share, [info.inChannels, 1, info.filterHeight, info.filterWidth]);
  const dy = channelsFirst(graph, input(inputs, 'dy'));
  return channelsBack(graph, backToInput(graph, dy, weights, info, info.inChannels));
});

export const POOLING_KERNELS: readonly Kernel[] = [
  pool('MaxPool', 'MaxPool'),
  pool('AvgPool', 'AveragePool'),
  maxPoolGradient,
  averagePoolGradient,
];
