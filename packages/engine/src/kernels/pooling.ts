import { backend_util } from '@tensorflow/tfjs';
import { sizeOf } from '@drf/tensor';
import type { Value } from '../graph/value.js';
import { apply } from './build.js';
import { channelsBack, channelsFirst } from './channels.js';
import { outputShapeFirst, paddingOf, windowAttributes } from './convolution.js';
import { backToInput } from './convolution-gradients.js';
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

/** How many elements of a row each window covers, padding aside. */
function coverage(size: number, out: number, stride: number, window: number, before: number): number[] {
  return Array.from({ length: out }, (_, i) => {
    const start = i * stride - before;
    return Math.min(size, start + window) - Math.max(0, start);
  });
}

/** Spreads each gradient evenly over its window: a transposed convolution with ones. */
const averagePoolGradient = defineKernel<PoolAttributes>('AvgPoolGrad', (graph, inputs, attributes) => {
  const info = poolInfo(input(inputs, 'input'), attributes);
  const [top, left] = paddingOf(info);
  const rows = coverage(info.inHeight, info.outHeight, info.strideHeight, info.filterHeight, top);
  const columns = coverage(info.inWidth, info.outWidth, info.strideWidth, info.filterWidth, left);
  const shares = Float32Array.from(rows.flatMap((row) => columns.map((column) => 1 / (row * column))));
  const share = graph.constant(shares, [1, 1, info.outHeight, info.outWidth], 'float32');
  const dy = apply(graph, 'Mul', [channelsFirst(graph, input(inputs, 'dy')), share]);
  const ones = graph.broadcast(graph.scalar(1), [info.inChannels, 1, info.filterHeight, info.filterWidth]);
  return channelsBack(graph, backToInput(graph, dy, ones, info, info.inChannels));
});

export const POOLING_KERNELS: readonly Kernel[] = [
  pool('MaxPool', 'MaxPool'),
  pool('AvgPool', 'AveragePool'),
  maxPoolGradient,
  averagePoolGradient,
];
