import type { Graph } from '../graph/graph.js';
import type { Operation, Value } from '../graph/value.js';

export interface ReachableParts {
  readonly operations: readonly { readonly operation: Operation; readonly outputs: readonly Value[] }[];
  readonly constants: readonly Value[];
}

/** What the outputs depend on, in an order of computation; nothing else has to be computed. */
export function reachable(graph: Graph, outputs: Iterable<Value>): ReachableParts {
  const used = new Set<Value>(outputs);
  const operations = [];
  for (const made of [...graph.operations].reverse()) {
    if (!made.outputs.some((value) => used.has(value))) continue;
    operations.push(made);
    made.operation.inputs.forEach((value) => value && used.add(value));
  }
  const constants = [...used].filter((value) => value.source.kind === 'constant');
  return { operations: operations.reverse(), constants };
}
