import { AFTER_KERNEL, sizeOf } from '@drf/tensor';
import type { Graph } from '../graph/graph.js';
import { baseOf, type Value } from '../graph/value.js';
import { choose, defineKernel, input, test } from './kernel.js';

function isComputed(value: Value): boolean {
  return baseOf(value).source.kind === 'operation';
}

/** Some number of the event as a condition. Whether it holds does not matter, only that it is not known before. */
function condition(graph: Graph, event: Value): Value {
  const base = baseOf(event);
  if (base.source.kind === 'constant') return test(graph, 'IsNaN', [base]);
  const flat = graph.reshape(base, [sizeOf(base.shape)]);
  const first = graph.operation('Gather', [flat, graph.scalar(0, 'int32')], [], base.type, { axis: 0 });
  return test(graph, 'IsNaN', [first]);
}

/**
 * The tensors as they are, whatever their numbers: `event is NaN ? x : x`, which neither the graph nor ONNX Runtime
 * takes for `x`. Computed tensors are enough to set apart all that depends on them; parameters pass through without a
 * copy, unless nothing is computed.
 */
export const afterKernel = defineKernel(
  AFTER_KERNEL,
  (graph, inputs) => {
    const event = input(inputs, 'event');
    const values = Object.keys(inputs).flatMap((name) => (name === 'event' ? [] : [input(inputs, name)]));
    const late = condition(graph, event);
    const some = values.some(isComputed);
    return values.map((value) => {
      const barred = some ? isComputed(value) : baseOf(value).source.kind === 'input';
      return barred ? choose(graph, late, value, value) : value;
    });
  },
  'never',
);
