import type { Made, TracedFunction } from '../graph/graph.js';
import type { Attributes, ElementData, ElementType, Operation, Value } from '../graph/value.js';

/** A part of a graph that takes the place of another. */
export class Replacement {
  readonly operations: Made[] = [];

  constructor(readonly graph: TracedFunction['graph']) {}

  constant(data: ElementData, shape: readonly number[], type: ElementType): Value {
    return { id: -1, shape, type, source: { kind: 'constant', data } }; // ids are for graphs that are still built
  }

  compute(
    operator: string,
    inputs: readonly Value[],
    shape: readonly number[],
    type: ElementType,
    attributes: Attributes = {},
  ): Value {
    const operation: Operation = { operator, inputs, attributes };
    const value: Value = { id: -1, shape, type, source: { kind: 'operation', operation, index: 0 } };
    this.operations.push({ operation, outputs: [value] });
    return value;
  }

  reshape(value: Value, shape: readonly number[]): Value {
    return this.compute('Reshape', [value, this.graph.integers(shape)], shape, value.type);
  }

  /** What is computed last becomes a value that the rest of the graph knows. */
  finish(known: Value): void {
    const last = this.operations.pop() as Made;
    this.operations.push({ operation: last.operation, outputs: [known] });
  }
}

/** The function with other operations, which make the same values. */
export function withOperations(traced: TracedFunction, operations: Made[]): TracedFunction {
  return { ...traced, graph: { operations, integers: (numbers) => traced.graph.integers(numbers) } };
}
