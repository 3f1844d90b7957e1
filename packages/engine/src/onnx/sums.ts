import { type Made, reachable, type TracedFunction } from '../graph/graph.js';
import { sameShape } from '../graph/shapes.js';
import type { Value } from '../graph/value.js';
import { withOperations } from './replacement.js';

/** Whether ONNX's product of matrices may start from these numbers instead of zeros. */
function isAddend({ type, shape }: Value, [rows, columns]: readonly number[]): boolean {
  const [ofColumn = 1, ofRow = 1, ...more] = shape.toReversed();
  const repeats = (size: number, whole: number | undefined): boolean => size === 1 || size === whole;
  return type === 'float32' && more.length === 0 && repeats(ofColumn, columns) && repeats(ofRow, rows);
}

/** Values that are read once: by one operation, or as one output. */
function readOnce(operations: readonly Made[], { outputs }: TracedFunction): ReadonlySet<Value> {
  const [once, more] = [new Set<Value>(), new Set<Value>()];
  const read = (value: Value | null): void => void (value !== null && (once.has(value) ? more : once).add(value));
  for (const { operation } of operations) operation.inputs.forEach(read);
  for (const { value } of outputs) read(value);
  for (const value of more) once.delete(value);
  return once;
}

/** A sum as a product, where a side of it is a product that nothing is added to yet. */
function summed(
  { operation, outputs }: Made,
  products: ReadonlyMap<Value, Made>,
): { readonly made: Made; readonly product: Made } | undefined {
  const [left, right] = operation.inputs as [Value, Value];
  const { shape } = outputs[0] as Value;
  const sides: readonly (readonly [Value, Value])[] = [
    [right, left], // what is computed last rather stands where the sum stood
    [left, right],
  ];
  for (const [value, addend] of sides) {
    const product = products.get(value);
    if (product === undefined || !sameShape(value.shape, shape) || !isAddend(addend, shape)) continue;
    const { inputs } = product.operation;
    return { made: { operation: { ...product.operation, inputs: [...inputs, addend] }, outputs }, product };
  }
  return undefined;
}

/**
 * Adds to a product of matrices (a bias, or another product) within the product, which then starts from what is added:
 * a pass over memory less, and one large value less. Only where nothing else reads the product.
 */
export function withSumsInProducts(traced: TracedFunction): TracedFunction {
  const needed = new Set(reachable(traced).operations);
  const once = readOnce([...needed], traced);
  const operations = new Set<Made>();
  const products = new Map<Value, Made>();
  for (const made of traced.graph.operations) {
    if (!needed.has(made)) continue;
    const sum = made.operation.operator === 'Add' ? summed(made, products) : undefined;
    if (sum !== undefined) operations.delete(sum.product);
    operations.add(sum?.made ?? made);
    const [value] = made.outputs as [Value];
    if (made.operation.operator === 'Gemm' && made.operation.inputs.length === 2 && once.has(value)) products.set(value, made); // prettier-ignore
  }
  return withOperations(traced, [...operations]);
}
