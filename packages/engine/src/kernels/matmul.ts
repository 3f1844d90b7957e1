import type { Graph } from '../graph/graph.js';
import { broadcastShapes, range } from '../graph/shapes.js';
import { sizeOf } from '@drf/tensor';
import type { Value } from '../graph/value.js';
import { activate, type ActivationAttributes } from './unary.js';
import { apply, cast, defineKernel, input, type Kernel, type KernelInputs } from './kernel.js';

interface Transposes {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

/** One matrix, with a transposition that precedes it left to the product. */
function asOperand(graph: Graph, matrix: Value, transpose: boolean): readonly [Value, boolean] {
  const inner = graph.transposition(matrix);
  return inner === undefined ? [matrix, transpose] : [inner.of, !transpose];
}

/** [m, k] × [k, n] → [m, n], either of them transposed; `bias` broadcasts to the product. */
function product(graph: Graph, a: Value, b: Value, { transposeA, transposeB }: Transposes, bias?: Value): Value {
  const [left, transA] = asOperand(graph, a, transposeA === true);
  const [right, transB] = asOperand(graph, b, transposeB === true);
  const shape = [left.shape[transA ? 1 : 0] as number, right.shape[transB ? 0 : 1] as number];
  const inputs = bias === undefined ? [left, right] : [left, right, bias];
  return graph.operation('Gemm', inputs, shape, 'float32', { transA: Number(transA), transB: Number(transB) });
}

function swapLastTwo(graph: Graph, value: Value): Value {
  const rank = value.shape.length;
  return graph.transpose(value, [...range(0, rank - 2), rank - 1, rank - 2]);
}

function dropBatch(graph: Graph, value: Value): Value {
  return graph.reshape(value, value.shape.slice(-2));
}

function batchOf(value: Value): number[] {
  return value.shape.slice(0, -2);
}

/** Products of matrices along broadcast batch axes; [batch, m, k] × [k, n] is one product of [batch · m, k]. */
function batchProduct(graph: Graph, a: Value, b: Value, transposes: Transposes): Value {
  const left = transposes.transposeA === true ? swapLastTwo(graph, a) : a;
  let right = transposes.transposeB === true ? swapLastTwo(graph, b) : b;
  const batch = broadcastShapes([batchOf(left), batchOf(right)]);
  if (sizeOf(batchOf(right)) === 1) right = dropBatch(graph, right);
  const shape = [...batch, left.shape.at(-2) as number, right.shape.at(-1) as number];
  return graph.operation('MatMul', [left, right], shape, 'float32');
}

function matMul(graph: Graph, a: Value, b: Value, transposes: Transposes, bias?: Value): Value {
  const batch = broadcastShapes([batchOf(a), batchOf(b)]);
  if (sizeOf(batch) !== 1) {
    const result = batchProduct(graph, a, b, transposes);
    return bias === undefined ? result : apply(graph, 'Add', [result, bias]);
  }
  const fused = bias !== undefined && bias.shape.length <= 2 ? bias : undefined;
  const flat = product(graph, dropBatch(graph, a), dropBatch(graph, b), transposes, fused);
  const result = graph.reshape(flat, [...batch, ...flat.shape]);
  return bias === undefined || fused !== undefined ? result : apply(graph, 'Add', [result, bias]);
}

/** ONNX multiplies matrices of floats only; whole numbers up to 2²⁴ pass through floats unharmed. */
function batchMatMul(graph: Graph, inputs: KernelInputs, transposes: Transposes): Value {
  const [a, b] = [input(inputs, 'a'), input(inputs, 'b')];
  const result = matMul(graph, cast(graph, a, 'float32'), cast(graph, b, 'float32'), transposes);
  return cast(graph, result, a.type);
}

function fusedMatMul(graph: Graph, inputs: KernelInputs, attributes: Transposes & ActivationAttributes): Value {
  const sum = matMul(graph, input(inputs, 'a'), input(inputs, 'b'), attributes, inputs['bias']);
  return activate(graph, sum, attributes, inputs['preluActivationWeights']);
}

/** The sizes of an equation's output axes, read off its inputs. */
function einsumShape(equation: string, inputs: readonly Value[]): number[] {
  const [terms, output] = equation.replaceAll(' ', '').split('->') as [string, string];
  const sizes = new Map<string, number>();
  terms.split(',').forEach((term, i) => {
    [...term].forEach((axis, at) => sizes.set(axis, (inputs[i] as Value).shape[at] as number));
  });
  return [...output].map((axis) => sizes.get(axis) as number);
}

const einsum = defineKernel<{ readonly equation: string }>(
  'Einsum',
  (graph, inputs, { equation }) => {
    const values = Object.values(inputs);
    const type = (values[0] as Value).type;
    return graph.operation('Einsum', values, einsumShape(equation, values), type, { equation });
  },
  'small',
);

export const MATMUL_KERNELS: readonly Kernel[] = [
  defineKernel<Transposes>('BatchMatMul', batchMatMul, 'small'),
  defineKernel<Transposes & ActivationAttributes>('_FusedMatMul', fusedMatMul, 'small'),
  einsum,
];
