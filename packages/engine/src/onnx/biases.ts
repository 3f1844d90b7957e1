import { type Made, reachable, type TracedFunction } from '../graph/graph.js';
import { sameShape } from '../graph/shapes.js';
import type { Value } from '../graph/value.js';
import { withOperations } from './replacement.js';

/** Values that are read once: by one operation, or as one output. */
function readOnce(operations: Iterable<Made>, { outputs }: TracedFunction): ReadonlySet<Value> {
  const [once, repeated] = [new Set<Value>(), new Set<Value>()];
  const read = (value: Value | null): void => void (value !== null && (once.has(value) ? repeated : once).add(value));
  for (const { operation } of operations) operation.inputs.forEach(read);
  for (const { value } of outputs) read(value);
  for (const value of repeated) once.delete(value);
  return once;
}

/** Whether a sum adds the same numbers to each row. */
function isSameForRows({ shape }: Value): boolean {
  return shape.length < 2 || shape[0] === 1;
}

/** A product with a bias, for the sum of the two; undefined where the sum is none of this kind. */
function biased(
  { operation, outputs }: Made,
  products: ReadonlyMap<Value, Made>,
): { readonly made: Made; readonly product: Made } | undefined {
  if (operation.operator !== 'Add') return undefined;
  const [left, right] = operation.inputs as [Value, Value];
  const { shape } = outputs[0] as Value;
  const sides: readonly (readonly [Value, Value])[] = [[left, right], [right, left]]; // prettier-ignore
  for (const [value, bias] of sides) {
    const product = products.get(value);
    if (product === undefined || !sameShape(value.shape, shape) || !isSameForRows(bias)) continue;
    const { inputs } = product.operation;
    return { made: { operation: { ...product.operation, inputs: [...inputs, bias] }, outputs }, product };
  }
  return undefined;
}

/**
 * Adds a bias to a product of matrices within the product, where nothing else reads the product: one pass over memory and one
 * large value fewer. A whole matrix is not added so: ONNX Runtime would copy it first, by one thread.
 */
export function withBiasesInProducts(traced: TracedFunction): TracedFunction {
  const needed = new Set(reachable(traced).operations);
  const once = readOnce(needed, traced);
  const operations = new Set<Made>();
  const products = new Map<Value, Made>();
  for (const made of traced.graph.operations) {
    if (!needed.has(made)) continue;
    const found = biased(made, products);
    if (found !== undefined) operations.delete(found.product);
    operations.add(found?.made ?? made);
    const [value] = made.outputs as [Value];
    if (made.operation.operator === 'Gemm' && made.operation.inputs.length === 2 && once.has(value)) products.set(value, made); // prettier-ignore
  }
  return withOperations(traced, [...operations]);
}
