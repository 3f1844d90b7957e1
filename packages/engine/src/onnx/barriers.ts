import { sizeOf } from '@drf/tensor';
import type { Made, TracedFunction } from '../graph/graph.js';
import type { Operation, Value } from '../graph/value.js';
import { Replacement, withOperations } from './replacement.js';

/** Whether an operation is a barrier: a choice, by one condition that is computed, between a value and itself. */
function isBarrier({ operator, inputs: [condition, yes, no] }: Operation, result: Value): boolean {
  return operator === 'Where' && yes === no && condition?.source.kind === 'operation' && sizeOf(result.shape) > 1 && condition.shape.length === 0; // prettier-ignore
}

/** The same by two operations of which the first is tiny and the second copies nothing. */
function reshaped({ graph }: TracedFunction, { operation, outputs }: Made): Made[] {
  const [condition, value] = operation.inputs as [Value, Value];
  const part = new Replacement(graph);
  const sizes = graph.integers(value.shape);
  const chosen = part.compute('Where', [condition, sizes, sizes], sizes.shape, sizes.type);
  part.compute('Reshape', [value, chosen], value.shape, value.type);
  part.finish(outputs[0] as Value);
  return part.operations;
}

/**
 * Turns barriers (`late ? x : x`, which neither a graph nor ONNX Runtime takes for `x`) into reshapes of x to the shape
 * that it has, which the condition chooses between two equal ones. A choice between large values takes several passes
 * over memory, a reshape none. For sessions whose options leave `ReshapeFusion` out: it would merge such a reshape with
 * the next one, and ONNX Runtime 1.30 fails at that.
 */
export function withReshapedBarriers(traced: TracedFunction): TracedFunction {
  const operations = traced.graph.operations.flatMap((made) =>
    isBarrier(made.operation, made.outputs[0] as Value) ? reshaped(traced, made) : [made],
  );
  return withOperations(traced, operations);
}
