import type { Graph } from '../graph/graph.js';
import type { Value } from '../graph/value.js';
import { apply, defineKernel, input, type Kernel, type KernelInputs } from './kernel.js';
import { channelsBack, channelsFirst } from './convolution.js';

function perChannel(graph: Graph, value: Value | undefined, channels: number, otherwise: number): Value {
  return graph.materialize(graph.broadcast(value ?? graph.scalar(otherwise), [channels]));
}

/** One operator, which the runtime merges into a preceding convolution. */
function byChannel(graph: Graph, inputs: KernelInputs, epsilon: number): Value {
  const x = channelsFirst(graph, input(inputs, 'x'));
  const channels = x.shape[1] as number;
  const operands = [
    x,
    perChannel(graph, inputs['scale'], channels, 1),
    perChannel(graph, inputs['offset'], channels, 0),
    perChannel(graph, inputs['mean'], channels, 0),
    perChannel(graph, inputs['variance'], channels, 1),
  ];
  const result = graph.operation('BatchNormalization', operands, x.shape, 'float32', { epsilon: { float: epsilon } });
  return channelsBack(graph, result);
}

/** (x − mean) / √(variance + ε) · scale + offset, each part broadcast as it is. */
function anyShape(graph: Graph, inputs: KernelInputs, epsilon: number): Value {
  const centered = apply(graph, 'Sub', [input(inputs, 'x'), input(inputs, 'mean')]);
  const deviation = apply(graph, 'Sqrt', [apply(graph, 'Add', [input(inputs, 'variance'), epsilon])]);
  const normal = apply(graph, 'Div', [centered, deviation]);
  const scaled = inputs['scale'] === undefined ? normal : apply(graph, 'Mul', [normal, inputs['scale']]);
  return inputs['offset'] === undefined ? scaled : apply(graph, 'Add', [scaled, inputs['offset']]);
}

const batchNorm = defineKernel<{ readonly varianceEpsilon?: number }>(
  'FusedBatchNorm',
  (graph, inputs, { varianceEpsilon }) => {
    const epsilon = varianceEpsilon ?? 0.001;
    const parts = ['mean', 'variance', 'scale', 'offset'].map((name) => inputs[name]);
    const vectors = parts.every((part) => part === undefined || part.shape.length === 1);
    const images = input(inputs, 'x').shape.length === 4;
    return images && vectors ? byChannel(graph, inputs, epsilon) : anyShape(graph, inputs, epsilon);
  },
);

export const NORMALIZATION_KERNELS: readonly Kernel[] = [batchNorm];
