/** What a fused loop can compute, four floats at a time. */
export const FUSED_OPERATORS = ['Add', 'Sub', 'Mul', 'Div', 'Min', 'Max', 'Neg', 'Abs', 'Sqrt'] as const;
export type FusedOperator = (typeof FUSED_OPERATORS)[number];

/** One value of a loop's body; operands are positions of earlier instructions. */
export type Instruction =
  | { readonly kind: 'load'; readonly array: number }
  | { readonly kind: 'constant'; readonly number: number }
  | { readonly kind: 'scalar'; readonly index: number }
  | { readonly kind: 'compute'; readonly operator: FusedOperator; readonly operands: readonly number[] };

/** A loop over arrays of one length: loads, element-wise arithmetic, stores. */
export interface FusedProgram {
  /** Arrays that are read or written, each passed as a pointer. */
  readonly arrays: number;
  /** Numbers that change from call to call. */
  readonly scalars: number;
  readonly instructions: readonly Instruction[];
  readonly stores: readonly { readonly array: number; readonly from: number }[];
}

// Numbers of the WebAssembly binary format (core specification, section 5).
const I32 = 0x7f;
const F32 = 0x7d;
const V128 = 0x7b;
const SECTION = { type: 1, import: 2, function: 3, export: 7, code: 10 } as const;
const SIMD: Readonly<Record<FusedOperator | 'load' | 'store' | 'splat', number>> = {
  load: 0x00,
  store: 0x0b,
  splat: 0x13,
  Abs: 0xe0,
  Neg: 0xe1,
  Sqrt: 0xe3,
  Add: 0xe4,
  Sub: 0xe5,
  Mul: 0xe6,
  Div: 0xe7,
  Min: 0xe8,
  Max: 0xe9,
};
const VECTOR_BYTES = 16;

/** Unsigned LEB128. */
function unsigned(number: number): number[] {
  const low = number & 0x7f;
  return number < 0x80 ? [low] : [low | 0x80, ...unsigned(Math.floor(number / 0x80))];
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function text(name: string): number[] {
  const bytes = [...new TextEncoder().encode(name)];
  return [...unsigned(bytes.length), ...bytes];
}

const localGet = (index: number): number[] => [0x20, ...unsigned(index)];
const localSet = (index: number): number[] => [0x21, ...unsigned(index)];
const simd = (name: keyof typeof SIMD): number[] => [0xfd, ...unsigned(SIMD[name])];
const floatConstant = (number: number): number[] => [0x43, ...new Uint8Array(Float32Array.of(number).buffer)];
const intConstant = (number: number): number[] => [0x41, ...unsigned(number)]; // for 0 … 63 signed and unsigned agree
const MEMORY_ARGUMENT = [4, 0]; // aligned to 2⁴ bytes, no offset

/** Places of a function's parameters and locals: end, arrays, scalars, then offset and one vector an instruction. */
function layout(program: FusedProgram) {
  const parameters = 1 + program.arrays + program.scalars;
  return {
    end: 0,
    array: (index: number) => 1 + index,
    scalar: (index: number) => 1 + program.arrays + index,
    offset: parameters,
    value: (position: number) => parameters + 1 + position,
  };
}

type Layout = ReturnType<typeof layout>;

function isInvariant(instruction: Instruction): boolean {
  return instruction.kind === 'constant' || instruction.kind === 'scalar';
}

function evaluate(instruction: Instruction, places: Layout): number[] {
  switch (instruction.kind) {
    case 'constant':
      return [...floatConstant(instruction.number), ...simd('splat')];
    case 'scalar':
      return [...localGet(places.scalar(instruction.index)), ...simd('splat')];
    case 'load':
      return [...address(places, instruction.array), ...simd('load'), ...MEMORY_ARGUMENT];
    case 'compute':
      return [...instruction.operands.flatMap((at) => localGet(places.value(at))), ...simd(instruction.operator)];
  }
}

function address(places: Layout, array: number): number[] {
  return [...localGet(places.array(array)), ...localGet(places.offset), 0x6a]; // i32.add
}

/** Splats before the loop; loads, arithmetic and stores inside, so that an array may be overwritten in place. */
function body(program: FusedProgram): number[] {
  const places = layout(program);
  const assign = (wanted: boolean): number[] =>
    program.instructions.flatMap((instruction, position) =>
      isInvariant(instruction) === wanted
        ? [...evaluate(instruction, places), ...localSet(places.value(position))]
        : [],
    );
  const stores = program.stores.flatMap(({ array, from }) => [
    ...address(places, array),
    ...localGet(places.value(from)),
    ...simd('store'),
    ...MEMORY_ARGUMENT,
  ]);
  const advance = [...localGet(places.offset), ...intConstant(VECTOR_BYTES), 0x6a, 0x22, ...unsigned(places.offset)];
  const again = [...localGet(places.end), 0x49, 0x0d, 0]; // i32.lt_u, br_if 0
  const loop = [0x03, 0x40, ...assign(false), ...stores, ...advance, ...again, 0x0b];
  const locals = vector([
    [1, I32],
    [...unsigned(program.instructions.length), V128],
  ]);
  return [...locals, ...assign(true), ...loop, 0x0b];
}

/**
 * A WebAssembly module with one exported function `f0`, `f1`, … a program. A function takes the length in bytes
 * (a multiple of 16, at least 16), a pointer for each array, and the scalars; it imports its memory as `env.memory`.
 */
export function encodeModule(programs: readonly FusedProgram[]): Uint8Array<ArrayBuffer> {
  const types = programs.map(({ arrays, scalars }) => {
    const parameters = [I32, ...Array<number>(arrays).fill(I32), ...Array<number>(scalars).fill(F32)];
    return [0x60, ...vector(parameters.map((each) => [each])), 0];
  });
  const bodies = programs.map((program) => {
    const code = body(program);
    return [...unsigned(code.length), ...code];
  });
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(SECTION.type, vector(types)),
    ...section(SECTION.import, vector([[...text('env'), ...text('memory'), 0x02, 0x00, 0]])),
    ...section(SECTION.function, vector(programs.map((_, i) => unsigned(i)))),
    ...section(SECTION.export, vector(programs.map((_, i) => [...text(`f${i}`), 0x00, ...unsigned(i)]))),
    ...section(SECTION.code, vector(bodies)),
  ]);
}
