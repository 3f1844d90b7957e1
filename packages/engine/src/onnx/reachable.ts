import type { Graph } from '../graph/graph.js';
import type { Operation, Value } from '../graph/value.js';

interface Made {
  readonly operation: Operation;
  readonly outputs: readonly Value[];
}

export interface ReachableParts {
  readonly operations: readonly Made[];
  readonly constants: readonly Value[];
}

/** What the outputs depend on, in an order of computation; nothing else has to be computed. */
export function reachable(graph: Graph, outputs: Iterable<Value>): ReachableParts {
  const used = new Set<Value>(outputs);
  const operations: Made[] = [];
  for (const made of [...graph.operations].reverse()) {
    if (!made.outputs.some((value) => used.has(value))) continue;
    operations.push(made);
    made.operation.inputs.forEach((value) => value && used.add(value));
  }
  const constants = [...used].filter((value) => value.source.kind === 'constant');
  return { operations: inOrder(operations.reverse()), constants };
}

/**
 * Operations that only make outputs (gradients of parameters) come last, the first of them at the very end. ONNX Runtime
 * walks from the last of them back to what it needs: so it computes each as soon as the others' values allow, in the
 * order of the trace, and lets go of what went into it. In the order of the trace it would compute the gradient of the
 * first layer first, and hold everything on the way for the rest.
 */
function inOrder(operations: readonly Made[]): readonly Made[] {
  const consumed = new Set(operations.flatMap(({ operation }) => operation.inputs));
  const isLast = ({ outputs }: Made): boolean => !outputs.some((value) => consumed.has(value));
  const inner = operations.filter((made) => !isLast(made));
  return [...inner, ...operations.filter(isLast).reverse()];
}
