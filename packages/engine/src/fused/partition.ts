import { sizeOf } from '@drf/tensor';
import { sameShape } from '../graph/shapes.js';
import { constantData, type Operation, type Value } from '../graph/value.js';
import { reachable } from '../onnx/reachable.js';
import type { TracedFunction } from '../trace/trace.js';
import { FUSED_OPERATORS, type FusedOperator, type FusedProgram, type Instruction } from './fused-program.js';

/** State tensors below this size are left to the runtime. */
export const SMALLEST_FUSED = 4096;

/** A loop of a step's tail: which arrays and scalars its program gets, by name. */
export interface FusedLoop {
  readonly program: FusedProgram;
  /** Of every array. */
  readonly shape: readonly number[];
  /** `state.x` is read and overwritten in place; other names are outputs of the graph. */
  readonly arrays: readonly string[];
  /** Outputs of the graph with one number each. */
  readonly scalars: readonly string[];
}

export interface Partition {
  /** The function with what the loops need as outputs, instead of what they compute. */
  readonly traced: TracedFunction;
  readonly loops: readonly FusedLoop[];
}

interface Uses {
  readonly users: ReadonlyMap<Value, readonly Operation[]>;
  readonly outputsOf: ReadonlyMap<Value, readonly string[]>;
  readonly resultOf: ReadonlyMap<Operation, Value>;
}

function collectUses(traced: TracedFunction): Uses {
  const users = new Map<Value, Operation[]>();
  const outputsOf = new Map<Value, string[]>();
  const resultOf = new Map<Operation, Value>();
  for (const { operation, outputs } of reachable(traced.graph, traced.outputs.values()).operations) {
    if (outputs.length === 1) resultOf.set(operation, outputs[0] as Value);
    for (const value of operation.inputs) {
      if (value !== null) users.set(value, [...(users.get(value) ?? []), operation]);
    }
  }
  for (const [name, value] of traced.outputs) outputsOf.set(value, [...(outputsOf.get(value) ?? []), name]);
  return { users, outputsOf, resultOf };
}

function isFusable(operation: Operation, shape: readonly number[]): boolean {
  const known = (FUSED_OPERATORS as readonly string[]).includes(operation.operator);
  return (
    known &&
    operation.inputs.every((value) => value !== null && (sizeOf(value.shape) === 1 || sameShape(value.shape, shape)))
  );
}

/**
 * Operations that only the new state needs, found from the last to the first: element-wise ones of a large state
 * tensor's shape, whose users are all of the same kind.
 */
function findTail(traced: TracedFunction, uses: Uses, inPlace: ReadonlySet<string>): Set<Operation> {
  const tail = new Set<Operation>();
  for (const { operation, outputs } of [...traced.graph.operations].reverse()) {
    const [value] = outputs as [Value];
    if (!uses.resultOf.has(operation) || value.type !== 'float32' || sizeOf(value.shape) < SMALLEST_FUSED) continue;
    const users = uses.users.get(value) ?? [];
    const sameLoop = users.every(
      (user) => tail.has(user) && sameShape(uses.resultOf.get(user)?.shape ?? [], value.shape),
    );
    const onlyState = (uses.outputsOf.get(value) ?? []).every((name) => inPlace.has(name));
    if (sameLoop && onlyState && isFusable(operation, value.shape)) tail.add(operation);
  }
  return tail;
}

/** Splits the tail into parts that share no operation. */
function components(tail: ReadonlySet<Operation>, uses: Uses): Operation[][] {
  const leader = new Map<Operation, Operation>([...tail].map((operation) => [operation, operation]));
  const find = (operation: Operation): Operation => {
    const next = leader.get(operation) as Operation;
    return next === operation ? operation : find(next);
  };
  for (const operation of tail) {
    for (const user of uses.users.get(uses.resultOf.get(operation) as Value) ?? [])
      leader.set(find(operation), find(user));
  }
  // loops that read one array are one loop, so that an array is overwritten where it is read, and read once
  const readers = new Map<Value, Operation>();
  for (const operation of tail) {
    for (const value of operation.inputs as Value[]) {
      if (sizeOf(value.shape) === 1) continue;
      const other = readers.get(value);
      if (other === undefined) readers.set(value, operation);
      else leader.set(find(operation), find(other));
    }
  }
  const parts = new Map<Operation, Operation[]>();
  for (const operation of tail) parts.set(find(operation), [...(parts.get(find(operation)) ?? []), operation]);
  return [...parts.values()];
}

/** Writes one part of the tail as a program, and notes what it needs from the graph. */
class LoopWriter {
  private readonly instructions: Instruction[] = [];
  private readonly places = new Map<Value, number>();
  readonly arrays: string[] = [];
  readonly scalars: string[] = [];

  constructor(
    private readonly part: ReadonlySet<Operation>,
    private readonly stateNames: ReadonlyMap<Value, string>,
    private readonly owned: ReadonlySet<string>,
    private readonly request: (value: Value, kind: 'array' | 'scalar') => string,
  ) {}

  write(outputs: readonly { readonly name: string; readonly value: Value }[]): FusedLoop {
    const stores = outputs.map(({ name, value }) => ({ from: this.place(value), array: this.array(name) }));
    const { instructions } = this;
    const program = { arrays: this.arrays.length, scalars: this.scalars.length, instructions, stores };
    const shape = outputs[0]?.value.shape ?? [];
    return { program, shape, arrays: this.arrays, scalars: this.scalars };
  }

  private place(value: Value): number {
    const known = this.places.get(value);
    if (known !== undefined) return known;
    const instruction = this.instruction(value);
    this.places.set(value, this.instructions.length);
    return this.instructions.push(instruction) - 1;
  }

  private instruction(value: Value): Instruction {
    const { source } = value;
    if (source.kind === 'operation' && this.part.has(source.operation)) {
      const operands = source.operation.inputs.map((each) => this.place(each as Value));
      return { kind: 'compute', operator: source.operation.operator as FusedOperator, operands };
    }
    if (sizeOf(value.shape) === 1) {
      const data = constantData(value);
      if (data !== undefined) return { kind: 'constant', number: Number(data[0]) };
      return { kind: 'scalar', index: this.index(this.scalars, this.request(value, 'scalar')) };
    }
    const state = this.stateNames.get(value);
    const name = state !== undefined && this.owned.has(state) ? state : this.request(value, 'array');
    return { kind: 'load', array: this.array(name) };
  }

  private array(name: string): number {
    return this.index(this.arrays, name);
  }

  private index(names: string[], name: string): number {
    const at = names.indexOf(name);
    return at >= 0 ? at : names.push(name) - 1;
  }
}

/** State that stays as it is (frozen parameters) is no output; a graph keeps one at least. */
function dropUntouched({ inputs }: TracedFunction, outputs: Map<string, Value>): void {
  for (const [name, value] of outputs) {
    const same = name.startsWith('next.') && inputs.get(name.replace('next.', 'state.')) === value;
    if (same && outputs.size > 1) outputs.delete(name);
  }
}

/**
 * Takes the tail of a step off its graph: the element-wise arithmetic that turns a large state tensor into the next one
 * (an optimizer's update). A loop makes one pass over memory where the graph would make one an operation.
 * @param traced inputs `state.*` and `in.*`, outputs `next.*` and `out.*`
 */
export function partition(traced: TracedFunction): Partition {
  const uses = collectUses(traced);
  const large = [...traced.inputs].filter(([name, { shape, type }]) => {
    return name.startsWith('state.') && type === 'float32' && sizeOf(shape) >= SMALLEST_FUSED;
  });
  const stateNames = new Map(large.map(([name, value]) => [value, name]));
  const inPlace = new Set(large.map(([name]) => name.replace('state.', 'next.')));
  const tail = findTail(traced, uses, inPlace);
  const outputs = new Map(traced.outputs);
  const requested = new Map<Value, string>();
  const request = (value: Value, kind: 'array' | 'scalar'): string => {
    const name = requested.get(value) ?? `${kind}.${requested.size}`;
    requested.set(value, name);
    outputs.set(name, value);
    return name;
  };
  const loops = components(tail, uses).flatMap((part) => {
    const members = new Set(part);
    const results = part.flatMap((operation) => {
      const value = uses.resultOf.get(operation) as Value;
      return (uses.outputsOf.get(value) ?? []).map((name) => ({ name: name.replace('next.', 'state.'), value }));
    });
    for (const { name } of results) outputs.delete(name.replace('state.', 'next.'));
    const owned = new Set(results.map(({ name }) => name));
    return [new LoopWriter(members, stateNames, owned, request).write(results)];
  });
  dropUntouched(traced, outputs);
  return { traced: { ...traced, outputs }, loops };
}
