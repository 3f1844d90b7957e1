import { util } from '@tensorflow/tfjs';
import type { Graph } from '../graph/graph.js';
import { reduce, type Reduction } from '../graph/reduce.js';
import { normalizeAxes } from '../graph/shapes.js';
import type { Value } from '../graph/value.js';
import { cast, choose, defineKernel, input, type Kernel } from './kernel.js';

interface ReductionAttributes {
  /** How tfjs names the axes of Max alone. */
  readonly reductionIndices?: number | number[];
  readonly axis?: number | number[];
  readonly keepDims?: boolean;
}

function reductionKernel(name: string, emit: (graph: Graph, x: Value, axes: number[], keep: boolean) => Value): Kernel {
  return defineKernel<ReductionAttributes>(name, (graph, inputs, { axis, reductionIndices, keepDims }) => {
    const x = input(inputs, 'x');
    const axes = util.parseAxisParam((reductionIndices ?? axis) as number[], [...x.shape]);
    return emit(graph, x, axes, keepDims === true);
  });
}

function direct(name: string, reduction: Reduction): Kernel {
  return reductionKernel(name, (graph, x, axes, keep) => {
    const numbers = x.type === 'bool' ? cast(graph, x, 'int32') : x;
    return reduce(graph, reduction, numbers, axes, keep);
  });
}

/** All is the least of zeros and ones, any the greatest. */
function logical(name: string, reduction: Reduction): Kernel {
  return reductionKernel(name, (graph, x, axes, keep) =>
    cast(graph, reduce(graph, reduction, cast(graph, x, 'int32'), axes, keep), 'bool'),
  );
}

function argument(name: string): Kernel {
  return defineKernel<{ readonly axis: number }>(name, (graph, inputs, { axis }) => {
    const x = input(inputs, 'x');
    const [along] = normalizeAxes([axis], x.shape.length) as [number];
    const shape = x.shape.filter((_, each) => each !== along);
    const found = graph.operation(name, [x], shape, 'int64', { axis: along, keepdims: 0 });
    return cast(graph, found, 'int32');
  });
}

interface CumulativeAttributes {
  readonly axis: number;
  readonly exclusive: boolean;
  readonly reverse: boolean;
}

const cumsum = defineKernel<CumulativeAttributes>('Cumsum', (graph, inputs, { axis, exclusive, reverse }) => {
  const x = input(inputs, 'x');
  const [along] = normalizeAxes([axis], x.shape.length) as [number];
  const place = graph.reshape(graph.integers([along]), []);
  const attributes = { exclusive: Number(exclusive), reverse: Number(reverse) };
  return graph.operation('CumSum', [x, place], x.shape, x.type, attributes);
});

/** Each output is the product of a row of inputs of which a triangle counts; ONNX has no cumulative product. */
const cumprod = defineKernel<CumulativeAttributes>('Cumprod', (graph, inputs, { axis, exclusive, reverse }) => {
  const x = input(inputs, 'x');
  const [along] = normalizeAxes([axis], x.shape.length) as [number];
  const size = x.shape[along] as number;
  const counts = (to: number, from: number): boolean => (from === to ? !exclusive : reverse ? from > to : from < to);
  const triangle = Uint8Array.from({ length: size * size }, (_, i) => Number(counts(Math.floor(i / size), i % size)));
  const after = x.shape.slice(along + 1);
  const rows = graph.reshape(x, [...x.shape.slice(0, along), 1, size, ...after]); // [..., 1, from, ...]
  const mask = graph.constant(triangle, [size, size, ...after.map(() => 1)], 'bool'); // [to, from, 1 ...]
  return reduce(graph, 'ReduceProd', choose(graph, mask, rows, 1), [along + 1], false);
});

const topK = defineKernel<{ readonly k: number; readonly sorted: boolean }>('TopK', (graph, inputs, { k, sorted }) => {
  const x = input(inputs, 'x');
  const shape = [...x.shape.slice(0, -1), k];
  const outputs = [
    { shape, type: x.type },
    { shape, type: 'int64' },
  ] as const;
  const [values, places] = graph.operationOf('TopK', [x, graph.integers([k])], outputs, {
    axis: -1,
    sorted: Number(sorted),
  }) as [Value, Value];
  return [values, cast(graph, places, 'int32')];
});

/** @param attribute what tfjs calls the axis */
function softmax(name: string, attribute: string): Kernel {
  return defineKernel<Readonly<Record<string, number>>>(name, (graph, inputs, attributes) => {
    const logits = input(inputs, 'logits');
    const [axis] = normalizeAxes([attributes[attribute] ?? -1], logits.shape.length) as [number];
    return graph.operation(name, [logits], logits.shape, logits.type, { axis });
  });
}

export const REDUCTION_KERNELS: readonly Kernel[] = [
  direct('Sum', 'ReduceSum'),
  direct('Max', 'ReduceMax'),
  direct('Min', 'ReduceMin'),
  direct('Prod', 'ReduceProd'),
  reductionKernel('Mean', (graph, x, axes, keep) => reduce(graph, 'ReduceMean', cast(graph, x, 'float32'), axes, keep)),
  logical('All', 'ReduceMin'),
  logical('Any', 'ReduceMax'),
  argument('ArgMax'),
  argument('ArgMin'),
  cumsum,
  cumprod,
  topK,
  softmax('Softmax', 'dim'),
  softmax('LogSoftmax', 'axis'),
];
