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

/** Equal programs share one function. */
export function programKey(program: FusedProgram): string {
  return JSON.stringify(program);
}
