import type { DataType } from '@tensorflow/tfjs';
import { sizeOf } from '@drf/tensor';
import type { Graph } from '../graph/graph.js';
import type { ElementType, Value } from '../graph/value.js';
import { cast, choose, defineKernel, input, type Kernel, type KernelInputs, test } from './kernel.js';
import { range } from '../graph/shapes.js';

/** A condition of rank 1 chooses whole rows. */
function select(graph: Graph, inputs: KernelInputs): Value {
  const [yes, no] = [input(inputs, 't'), input(inputs, 'e')];
  let condition = input(inputs, 'condition');
  if (condition.shape.length === 1 && yes.shape.length > 1) {
    condition = graph.reshape(condition, [...condition.shape, ...yes.shape.slice(1).map(() => 1)]);
  }
  return choose(graph, cast(graph, condition, 'bool'), yes, no);
}

interface OneHotAttributes {
  readonly depth: number;
  readonly onValue: number;
  readonly offValue: number;
  readonly dtype?: DataType;
}

/** Compares with 0 … depth − 1, so an index out of range gives a row without a mark, as tfjs has it. */
function oneHot(graph: Graph, inputs: KernelInputs, { depth, onValue, offValue, dtype }: OneHotAttributes): Value {
  const indices = input(inputs, 'indices');
  const type = (dtype ?? 'int32') as ElementType;
  const marks = graph.constant(Int32Array.from(range(0, depth)), [depth], 'int32');
  const column = graph.reshape(cast(graph, indices, 'int32'), [...indices.shape, 1]);
  const hit = test(graph, 'Equal', [column, marks]); // [..., 1] = [depth] → [..., depth]
  if (type === 'bool') return hit;
  return choose(graph, hit, graph.scalar(onValue, type), graph.scalar(offValue, type));
}

function filled(number: number): (graph: Graph, inputs: KernelInputs) => Value {
  return (graph, inputs) => {
    const x = input(inputs, 'x');
    return graph.broadcast(graph.scalar(number, x.type), x.shape);
  };
}

function castKernel(graph: Graph, inputs: KernelInputs, { dtype }: { readonly dtype: DataType }): Value {
  const x = input(inputs, 'x');
  if (sizeOf(x.shape) === 0) return graph.reshape(x, x.shape);
  return cast(graph, x, dtype as ElementType);
}

export const SELECT_KERNELS: readonly Kernel[] = [
  defineKernel('Select', select),
  defineKernel<OneHotAttributes>('OneHot', oneHot),
  defineKernel('ZerosLike', filled(0), 'never'),
  defineKernel('OnesLike', filled(1), 'never'),
  defineKernel<{ readonly dtype: DataType }>('Cast', castKernel, 'elementwise'),
];
