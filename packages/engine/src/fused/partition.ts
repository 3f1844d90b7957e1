import type { StepPlan, Wire } from '@drf/onnx/worker';
import { sizeOf } from '@drf/tensor';
import { reachable, type TracedFunction } from '../graph/graph.js';
import { sameShape } from '../graph/shapes.js';
import { constantData, type Operation, type OutputRole, type Port, type Value } from '../graph/value.js';
import { portName } from '../onnx/write.js';
import { encodeModule, FUSED_OPERATORS, type FusedOperator, type FusedProgram, type Instruction } from './wasm.js';

/** State tensors below this size are left to the runtime. */
export const SMALLEST_FUSED = 4096;

/** A leaf of the state or an output of the graph, as a loop knows it. */
type Operand<Role> = { readonly role: Role; readonly name: string };

/** A loop of a step's tail: which arrays and scalars its program gets. */
interface FusedLoop {
  readonly program: FusedProgram;
  /** Of every array. */
  readonly shape: readonly number[];
  /** Leaves of the state are read and overwritten in place. */
  readonly arrays: readonly Operand<'state' | 'array'>[];
  /** Outputs with one number each. */
  readonly scalars: readonly Operand<'scalar'>[];
}

interface Partition {
  /** The function with what the loops need as outputs, instead of what they compute. */
  readonly traced: TracedFunction;
  readonly loops: readonly FusedLoop[];
}

interface Uses {
  readonly users: ReadonlyMap<Value, readonly Operation[]>;
  readonly outputsOf: ReadonlyMap<Value, readonly Port<OutputRole>[]>;
  readonly resultOf: ReadonlyMap<Operation, Value>;
}

function collectUses(traced: TracedFunction): Uses {
  const users = new Map<Value, Operation[]>();
  const outputsOf = new Map<Value, Port<OutputRole>[]>();
  const resultOf = new Map<Operation, Value>();
  for (const { operation, outputs } of reachable(traced).operations) {
    if (outputs.length === 1) resultOf.set(operation, outputs[0] as Value);
    for (const value of operation.inputs) {
      if (value !== null) users.set(value, [...(users.get(value) ?? []), operation]);
    }
  }
  for (const port of traced.outputs) outputsOf.set(port.value, [...(outputsOf.get(port.value) ?? []), port]);
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
function findTail({ graph }: TracedFunction, uses: Uses, large: ReadonlySet<string>): Set<Operation> {
  const tail = new Set<Operation>();
  for (const { operation, outputs } of [...graph.operations].reverse()) {
    const [value] = outputs as [Value];
    if (!uses.resultOf.has(operation) || value.type !== 'float32' || sizeOf(value.shape) < SMALLEST_FUSED) continue;
    const users = uses.users.get(value) ?? [];
    const sameLoop = users.every(
      (user) => tail.has(user) && sameShape(uses.resultOf.get(user)?.shape ?? [], value.shape),
    );
    const ports = uses.outputsOf.get(value) ?? [];
    const onlyState = ports.every(({ role, name }) => role === 'next' && large.has(name));
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
  private readonly arrays: Operand<'state' | 'array'>[] = [];
  private readonly scalars: Operand<'scalar'>[] = [];

  /**
   * @param overwritten leaves of the state that this loop may read where they lie
   * @param request makes a value an output of the graph
   */
  constructor(
    private readonly part: ReadonlySet<Operation>,
    private readonly overwritten: ReadonlyMap<Value, string>,
    private readonly request: <Role extends 'array' | 'scalar'>(value: Value, role: Role) => Operand<Role>,
  ) {}

  write(results: readonly { readonly name: string; readonly value: Value }[]): FusedLoop {
    const stores = results.map(({ name, value }) => ({ from: this.place(value), array: this.array('state', name) }));
    const { instructions, arrays, scalars } = this;
    const program = { arrays: arrays.length, scalars: scalars.length, instructions, stores };
    return { program, shape: results[0]?.value.shape ?? [], arrays, scalars };
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
      return { kind: 'scalar', index: indexIn(this.scalars, this.request(value, 'scalar')) };
    }
    const leaf = this.overwritten.get(value);
    if (leaf !== undefined) return { kind: 'load', array: this.array('state', leaf) };
    return { kind: 'load', array: this.array('array', this.request(value, 'array').name) };
  }

  private array(role: 'state' | 'array', name: string): number {
    return indexIn(this.arrays, { role, name });
  }
}

/** Where an operand stands among others; it is added unless it is there. */
function indexIn<O extends Operand<string>>(operands: O[], operand: O): number {
  const at = operands.findIndex(({ role, name }) => role === operand.role && name === operand.name);
  return at >= 0 ? at : operands.push(operand) - 1;
}

/** State that stays as it is (frozen parameters) is no output; a graph keeps one at least. */
function withoutUntouched(
  { inputs }: TracedFunction,
  outputs: readonly Port<OutputRole>[],
): readonly Port<OutputRole>[] {
  const before = new Map(inputs.flatMap(({ role, name, value }) => (role === 'state' ? [[name, value]] : [])));
  const changed = outputs.filter(({ role, name, value }) => role !== 'next' || before.get(name) !== value);
  return changed.length > 0 ? changed : outputs.slice(-1);
}

/**
 * Takes the tail of a step off its graph: the element-wise arithmetic that turns a large state tensor into the next one
 * (an optimizer's update). A loop makes one pass over memory where the graph would make one an operation.
 */
export function partition(traced: TracedFunction): Partition {
  const uses = collectUses(traced);
  const large = traced.inputs.filter(({ role, value: { shape, type } }) => {
    return role === 'state' && type === 'float32' && sizeOf(shape) >= SMALLEST_FUSED;
  });
  const tail = findTail(traced, uses, new Set(large.map(({ name }) => name)));
  let outputs = [...traced.outputs];
  const requested = new Map<Value, string>();
  const request = <Role extends 'array' | 'scalar'>(value: Value, role: Role): Operand<Role> => {
    const name = requested.get(value) ?? String(requested.size);
    if (!requested.has(value)) outputs.push({ role, name, value });
    requested.set(value, name);
    return { role, name };
  };
  const loops = components(tail, uses).map((part) => {
    const results = part.flatMap((operation) => uses.outputsOf.get(uses.resultOf.get(operation) as Value) ?? []);
    outputs = outputs.filter((port) => !results.includes(port));
    const names = new Set(results.map(({ name }) => name));
    const overwritten = new Map(large.flatMap(({ name, value }) => (names.has(name) ? [[value, name]] : [])));
    return new LoopWriter(new Set(part), overwritten, request).write(results);
  });
  return { traced: { ...traced, outputs: withoutUntouched(traced, outputs) }, loops };
}

/** What the worker thread is told of a step: loops that do the same share a function. */
export function planOf({ traced, loops }: Partition): StepPlan {
  const wires = (wanted: string): Wire[] =>
    [...traced.inputs, ...traced.outputs].flatMap((port) =>
      port.role === wanted ? [{ leaf: port.name, port: portName(port) }] : [],
    );
  const plan = { reads: wires('state'), writes: wires('next') };
  if (loops.length === 0) return plan;
  const programs = new Map(loops.map(({ program }) => [JSON.stringify(program), program]));
  const places = [...programs.keys()];
  const calls = loops.map(({ program, shape, arrays, scalars }) => ({
    function: `f${places.indexOf(JSON.stringify(program))}`,
    shape,
    arrays: arrays.map(({ role, name }) => ({ role, name: role === 'array' ? portName({ role, name }) : name })),
    scalars: scalars.map(portName),
  }));
  return { ...plan, loops: { module: encodeModule([...programs.values()]), calls } };
}
