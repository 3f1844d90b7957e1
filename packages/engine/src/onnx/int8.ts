import { type HostTensor, sizeOf } from '@drf/tensor';
import { transposeData } from '../graph/data.js';
import { type Made, reachable, type TracedFunction } from '../graph/graph.js';
import {
  constantData,
  ELEMENT_TYPE_CODES,
  type InputRole,
  type Operation,
  type Port,
  type Value,
} from '../graph/value.js';
import { Replacement, withOperations } from './replacement.js';

/** Weight matrices of fewer numbers are multiplied as they are. */
const SMALLEST_QUANTIZED = 4096;

/** Largest absolute value of a rounded number of a row. */
const LARGEST_OF_ROWS = 127;

/**
 * Largest absolute value of a rounded weight. On x86 processors without VNNI, ONNX Runtime adds pairs of products in 16 bits
 * with saturation, which 2 · 255 · 64 does not reach: so sums are exact on every processor.
 */
const LARGEST_WEIGHT = 64;

/** What stands for 0 among numbers without a sign. ONNX Runtime's quick products on the CPU take rows of such numbers. */
const ZERO_POINT = 128;

/** Least scale, of rows and columns of zeros: far below what a number in float32 means, and no denormal. */
const SMALLEST_SCALE = 1e-30;

/** A leaf of a state that a graph reads beside those of its function. */
export interface AddedLeaf {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Int8Array | Float32Array;
}

/** Weights that are rounded once, however many graphs read them. */
export class QuantizedMatrices {
  private readonly kept = new Map<string, Promise<QuantizedMatrix>>();

  /** @param read gives the numbers of a leaf when they are wanted for the first time */
  of(
    leaf: string,
    transposed: boolean,
    read: () => Promise<Parameters<typeof quantizeMatrix>[0]>,
  ): Promise<QuantizedMatrix> {
    const key = `${leaf} ${transposed}`;
    const quantized = this.kept.get(key) ?? read().then((weights) => quantizeMatrix(weights, transposed));
    this.kept.set(key, quantized);
    return quantized;
  }

  clear(): void {
    this.kept.clear();
  }
}

/** A weight matrix in whole numbers of eight bits: column c is numbers[:, c] · scales[c]. */
export interface QuantizedMatrix {
  /** [in, out], from −64 to 64 */
  readonly numbers: Int8Array;
  /** [out], the largest absolute value of each column over 64 */
  readonly scales: Float32Array;
}

/**
 * Rounds a weight matrix to whole numbers of eight bits, with a scale for each column. Columns that hold a number that is
 * not finite become NaN.
 * @param weights float32 [in, out], or [out, in] where it is `transposed`
 */
export function quantizeMatrix(
  { data, shape }: Pick<HostTensor, 'data' | 'shape'>,
  transposed: boolean,
): QuantizedMatrix {
  const weights = transposed ? transposeData(data, 'float32', shape, [1, 0]) : data;
  const columns = shape[transposed ? 0 : 1] as number;
  const scales = new Float32Array(columns);
  for (let start = 0; start < weights.length; start += columns) {
    for (let column = 0; column < columns; column++) {
      const size = Math.abs(weights[start + column] as number);
      if (size > (scales[column] as number) || Number.isNaN(size)) scales[column] = size; // nothing is larger than NaN
    }
  }
  scales.forEach((largest, column) => {
    scales[column] = Number.isFinite(largest) ? Math.max(largest / LARGEST_WEIGHT, SMALLEST_SCALE) : Number.NaN;
  });
  const numbers = new Int8Array(weights.length);
  for (let start = 0; start < weights.length; start += columns) {
    for (let column = 0; column < columns; column++) {
      numbers[start + column] = Math.floor((weights[start + column] as number) / (scales[column] as number) + 0.5);
    }
  }
  return { numbers, scales };
}

/** A product of rows [..., in] with a weight matrix. */
interface WeightProduct {
  readonly rows: Value;
  readonly weights: Value;
  /** Whether the weights are [out, in]. */
  readonly transposed: boolean;
  readonly bias: Value | undefined;
}

/** Leaves of a state that a step hands on as they are, by their values. */
function unchangedLeaves({ inputs, outputs }: TracedFunction): ReadonlyMap<Value, string> {
  const next = new Map(outputs.flatMap(({ role, name, value }) => (role === 'next' ? [[name, value]] : [])));
  return new Map(
    inputs.flatMap(({ role, name, value }) => (role === 'state' && next.get(name) === value ? [[value, name]] : [])),
  );
}

/** An operation as a product with weights, where it is one. */
function weightProduct(
  { operator, inputs, attributes }: Operation,
  isWeight: (value: Value) => boolean,
): WeightProduct | undefined {
  if ((operator !== 'Gemm' && operator !== 'MatMul') || attributes['transA'] === 1) return undefined;
  const [rows, weights, bias] = inputs as [Value, Value, Value?];
  const isLarge = weights.shape.length === 2 && sizeOf(weights.shape) >= SMALLEST_QUANTIZED;
  if (!isLarge || !isWeight(weights) || isWeight(rows)) return undefined;
  return { rows, weights, transposed: attributes['transB'] === 1, bias };
}

/** Rows in whole numbers of eight bits. */
interface QuantizedRows {
  /** uint8 [row, in] around {@link ZERO_POINT} */
  readonly numbers: Value;
  /** float32 [row, 1] */
  readonly scales: Value;
}

/** Rows with a scale for each, so that what becomes of one never depends on the others. */
function quantizeRows(part: Replacement, given: Value): QuantizedRows {
  const width = given.shape.at(-1) as number;
  const count = sizeOf(given.shape) / width;
  const rows = given.shape.length === 2 ? given : part.reshape(given, [count, width]);
  const column = [count, 1];
  const floats = (number: number): Value => part.constant(Float32Array.of(number), [], 'float32');
  const perRow = { axes: [1], keepdims: 1 };
  const highest = part.compute('ReduceMax', [rows], column, 'float32', perRow);
  const lowest = part.compute('ReduceMin', [rows], column, 'float32', perRow); // both pass over memory without writing
  const largest = part.compute('Max', [highest, part.compute('Neg', [lowest], column, 'float32')], column, 'float32');
  const scaled = part.compute('Mul', [largest, floats(1 / LARGEST_OF_ROWS)], column, 'float32');
  const finite = part.compute('Max', [scaled, floats(SMALLEST_SCALE)], column, 'float32');
  // maxima of ONNX Runtime pass over NaN; 0 times the sum is NaN where a number is not finite
  const sum = part.compute('ReduceSum', [rows, part.graph.integers([1])], column, 'float32', { keepdims: 1 });
  const scales = part.compute('Add', [finite, part.compute('Mul', [sum, floats(0)], column, 'float32')], column, 'float32'); // prettier-ignore
  const zeros = part.constant(new Uint8Array(count).fill(ZERO_POINT), [count], 'uint8');
  const numbers = part.compute('QuantizeLinear', [rows, part.reshape(scales, [count]), zeros], rows.shape, 'uint8', {
    axis: 0,
  });
  return { numbers, scales };
}

/** Values of a {@link QuantizedMatrix}. */
interface MatrixValues {
  /** int8 [in, out] */
  readonly numbers: Value;
  /** float32 [out] */
  readonly scales: Value;
}

/** rows · weights (+ bias) as a product of whole numbers, scaled by column and by row. */
function multiply(
  part: Replacement,
  { numbers, scales }: QuantizedRows,
  { numbers: factors, scales: columnScales }: MatrixValues,
  bias: Value | undefined,
  result: Value,
): void {
  const shape = [numbers.shape[0] as number, columnScales.shape[0] as number];
  const zero = part.constant(Uint8Array.of(ZERO_POINT), [], 'uint8');
  const product = part.compute('MatMulInteger', [numbers, factors, zero], shape, 'int32');
  // what DequantizeLinear computes, by operators that ONNX Runtime has vectorized
  const floats = part.compute('Cast', [product], shape, 'float32', { to: ELEMENT_TYPE_CODES.float32 });
  const byColumn = part.compute('Mul', [floats, columnScales], shape, 'float32');
  let scaled = part.compute('Mul', [byColumn, scales], shape, 'float32');
  if (bias !== undefined) scaled = part.compute('Add', [scaled, bias], shape, 'float32');
  if (result.shape.length !== 2) part.reshape(scaled, result.shape);
  part.finish(result);
}

/** Leaves that a graph reads beside those of its function, each once. */
class AddedLeaves {
  readonly inputs: Port<InputRole>[] = [];
  readonly leaves: AddedLeaf[] = [];
  private readonly values = new Map<string, Value>();

  add(leaf: AddedLeaf): Value {
    const known = this.values.get(leaf.name);
    if (known !== undefined) return known;
    const type = leaf.data instanceof Int8Array ? 'int8' : 'float32';
    const value: Value = { id: -1, shape: leaf.shape, type, source: { kind: 'input' } };
    this.values.set(leaf.name, value);
    this.inputs.push({ role: 'state', name: leaf.name, value });
    this.leaves.push(leaf);
    return value;
  }
}

/**
 * Computes products of rows with large weight matrices in whole numbers of eight bits, which are exact, and so the same on
 * every processor: rows are rounded with a scale each, weights with one a column. Weights are what never changes: constants
 * of the graph, and leaves of a state that its step hands on as they are. Rows that enter several products are rounded once.
 * Source: Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference" (CVPR
 * 2018), symmetric, without training.
 * @param weightsOf the numbers of a leaf of the state
 * @returns the function, and leaves of the state that it reads besides: rounded weights
 */
export async function withInt8Products(
  traced: TracedFunction,
  weightsOf: (leaf: string, transposed: boolean) => Promise<QuantizedMatrix>,
): Promise<{ readonly traced: TracedFunction; readonly added: readonly AddedLeaf[] }> {
  const leaves = unchangedLeaves(traced);
  const isWeight = (value: Value): boolean => value.source.kind === 'constant' || leaves.has(value);
  const needed = new Set(reachable(traced).operations);
  const rounded = new Map<Value, QuantizedRows>();
  const added = new AddedLeaves();
  const operations: Made[] = [];
  for (const made of traced.graph.operations) {
    if (!needed.has(made)) continue;
    const product = weightProduct(made.operation, isWeight);
    if (product === undefined) {
      operations.push(made);
      continue;
    }
    const { rows, weights, transposed, bias } = product;
    const part = new Replacement(traced.graph);
    const quantized = rounded.get(rows) ?? quantizeRows(part, rows);
    rounded.set(rows, quantized);
    multiply(part, quantized, await matrixOf(part, weights, transposed), bias, made.outputs[0] as Value);
    operations.push(...part.operations);
  }
  const result = withOperations(traced, operations);
  return { traced: { ...result, inputs: [...result.inputs, ...added.inputs] }, added: added.leaves };

  async function matrixOf(part: Replacement, weights: Value, transposed: boolean): Promise<MatrixValues> {
    const shape = transposed ? weights.shape.toReversed() : weights.shape;
    const leaf = leaves.get(weights);
    if (leaf === undefined) {
      const { numbers, scales } = quantizeMatrix({ data: constantData(weights) as Float32Array, shape: weights.shape }, transposed); // prettier-ignore
      return {
        numbers: part.constant(numbers, shape, 'int8'),
        scales: part.constant(scales, shape.slice(1), 'float32'),
      };
    }
    const { numbers, scales } = await weightsOf(leaf, transposed);
    const name = `${leaf}${transposed ? ' transposed' : ''} in int8`;
    return {
      numbers: added.add({ name, shape, data: numbers }),
      scales: added.add({ name: `${name}, scales`, shape: shape.slice(1), data: scales }),
    };
  }
}
