import { sizeOf } from '@drf/tensor';
import { expandData, isUniform, transposeData } from './data.js';
import { invertPermutation, isIdentity, permute, range, reshapeBase, sameShape, type Shape } from './shapes.js';
import { baseOf, constantData, madeBy } from './value.js';
import type {
  Attributes,
  ElementData,
  ElementType,
  InputRole,
  Operation,
  OutputRole,
  Port,
  Source,
  Value,
} from './value.js';

interface OutputType {
  readonly shape: Shape;
  readonly type: ElementType;
}

/** An operation and what it makes. */
export interface Made {
  readonly operation: Operation;
  readonly outputs: readonly Value[];
}

/** Constants up to this many elements are compared, so that equal ones are kept once. */
const LARGEST_SHARED_CONSTANT = 64;

/** Broadcast constants up to this many elements are written out, larger ones are repeated by the runtime. */
const LARGEST_WRITTEN_CONSTANT = 1024;

/**
 * Builds a static graph, value by value. Equal constants and equal operations become one; constants are kept as small
 * as broadcasting allows; reshapes and transpositions are merged or dropped.
 */
export class Graph {
  private nextId = 0;
  private readonly known = new Map<string, readonly Value[]>();
  /** In the order of creation, which is an order of computation. */
  readonly operations: Made[] = [];

  input(shape: Shape, type: ElementType): Value {
    return this.value(shape, type, { kind: 'input' });
  }

  /** A constant; one number repeated everywhere is kept as that number. */
  constant(data: ElementData, shape: Shape, type: ElementType): Value {
    if (data.length > 1 && isUniform(data)) {
      return this.broadcast(this.constant(data.slice(0, 1), [], type), shape);
    }
    if (data.length > LARGEST_SHARED_CONSTANT) return this.value(shape, type, { kind: 'constant', data });
    const bits = new Uint8Array(data.buffer, data.byteOffset, data.byteLength); // tells 0 from -0
    const key = `constant ${type} [${shape.join()}] ${bits.join()}`;
    return this.once(key, () => [this.value(shape, type, { kind: 'constant', data })])[0] as Value;
  }

  scalar(number: number, type: ElementType = 'float32'): Value {
    const data = type === 'float32' ? Float32Array.of(number) : Int32Array.of(number);
    return this.constant(type === 'bool' ? Uint8Array.of(number) : data, [], type);
  }

  /** Whole numbers as ONNX operators take them: shapes, axes, starts, ends. */
  integers(numbers: readonly number[]): Value {
    const data = BigInt64Array.from(numbers.map((number) => BigInt(number)));
    const key = `integers ${numbers.join()}`;
    return this.once(key, () => [this.value([numbers.length], 'int64', { kind: 'constant', data })])[0] as Value;
  }

  /** Adds an operation of one output. Broadcast inputs are written out in full. */
  operation(
    operator: string,
    inputs: readonly (Value | null)[],
    shape: Shape,
    type: ElementType,
    attributes: Attributes = {},
  ): Value {
    return this.operationOf(operator, inputs, [{ shape, type }], attributes)[0] as Value;
  }

  operationOf(
    operator: string,
    inputs: readonly (Value | null)[],
    outputs: readonly OutputType[],
    attributes: Attributes = {},
  ): readonly Value[] {
    const full = inputs.map((input) => input && this.materialize(input));
    const key = `${operator} ${full.map((input) => input?.id ?? '').join()} ${JSON.stringify(attributes)} ${outputs.map((output) => output.type + output.shape.join()).join('|')}`;
    return this.once(key, () => {
      const operation: Operation = { operator, inputs: full, attributes };
      const values = outputs.map(({ shape, type }, index) =>
        this.value(shape, type, { kind: 'operation', operation, index }),
      );
      this.operations.push({ operation, outputs: values });
      return values;
    });
  }

  /** The value repeated to a shape, without computing anything yet. */
  broadcast(value: Value, shape: Shape): Value {
    if (sameShape(value.shape, shape)) return value;
    const base = baseOf(value);
    if (sameShape(base.shape, shape)) return base;
    const key = `broadcast ${base.id} [${shape.join()}]`;
    return this.once(key, () => [this.value(shape, base.type, { kind: 'broadcast', base })])[0] as Value;
  }

  /** The value with its elements written out. */
  materialize(value: Value): Value {
    if (value.source.kind !== 'broadcast') return value;
    const { base } = value.source;
    const data = constantData(base);
    if (data !== undefined && sizeOf(value.shape) <= LARGEST_WRITTEN_CONSTANT) {
      const full = expandData(data, base.type, base.shape, value.shape);
      const key = `written ${base.id} [${value.shape.join()}]`;
      return this.once(key, () => [this.value(value.shape, base.type, { kind: 'constant', data: full })])[0] as Value;
    }
    return this.operation('Expand', [base, this.integers(value.shape)], value.shape, base.type);
  }

  reshape(value: Value, shape: Shape): Value {
    if (sameShape(value.shape, shape)) return value;
    const base = baseOf(value);
    if (base !== value) {
      const reshaped = reshapeBase(base.shape, value.shape, shape);
      if (reshaped !== undefined) return this.broadcast(this.reshape(base, reshaped), shape);
    }
    const data = constantData(value);
    if (data !== undefined) return this.value(shape, value.type, { kind: 'constant', data });
    const from = madeBy(value, 'Reshape')?.inputs[0] ?? value;
    if (sameShape(from.shape, shape)) return from;
    return this.operation('Reshape', [from, this.integers(shape)], shape, value.type);
  }

  /** Axis i of the result is axis `permutation[i]` of the value. */
  transpose(value: Value, permutation: Shape): Value {
    if (isIdentity(permutation)) return value;
    const shape = permute(value.shape, permutation);
    const base = baseOf(value);
    if (base !== value && sizeOf(base.shape) === 1) return this.broadcast(base, shape);
    const data = constantData(value);
    if (data !== undefined) {
      return this.constant(transposeData(data, value.type, value.shape, permutation), shape, value.type);
    }
    const inner = this.transposition(value);
    if (inner !== undefined) return this.transpose(inner.of, permute(inner.permutation, permutation));
    if (this.movesOnlyOnes(value.shape, permutation)) return this.reshape(value, shape);
    return this.operation('Transpose', [value], shape, value.type, { perm: permutation });
  }

  /** What a transposed value is a transposition of. */
  transposition(value: Value): { readonly of: Value; readonly permutation: readonly number[] } | undefined {
    const operation = madeBy(value, 'Transpose');
    if (operation === undefined) return undefined;
    return { of: operation.inputs[0] as Value, permutation: operation.attributes['perm'] as readonly number[] };
  }

  /** Undoes {@link transpose}. */
  untranspose(value: Value, permutation: Shape): Value {
    return this.transpose(value, invertPermutation(permutation));
  }

  /** A transposition that keeps the order of all axes larger than 1 moves nothing in memory. */
  private movesOnlyOnes(shape: Shape, permutation: Shape): boolean {
    const moved = permutation.filter((axis) => shape[axis] !== 1);
    const kept = range(0, shape.length).filter((axis) => shape[axis] !== 1);
    return sameShape(moved, kept);
  }

  private once(key: string, make: () => readonly Value[]): readonly Value[] {
    let values = this.known.get(key);
    if (values === undefined) this.known.set(key, (values = make()));
    return values;
  }

  private value(shape: Shape, type: ElementType, source: Source): Value {
    return { id: this.nextId++, type, shape: [...shape], source };
  }
}

/** A function as a graph. */
export interface TracedFunction {
  readonly graph: Pick<Graph, 'operations' | 'integers'>;
  readonly inputs: readonly Port<InputRole>[];
  readonly outputs: readonly Port<OutputRole>[];
}

interface ReachableParts {
  readonly operations: readonly Made[];
  readonly constants: readonly Value[];
}

/** What the outputs depend on, in an order of computation; nothing else has to be computed. */
export function reachable({ graph, outputs }: TracedFunction): ReachableParts {
  const used = new Set(outputs.map(({ value }) => value));
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
