import { sizeOf } from '@drf/tensor';
import { programKey, type FusedProgram } from './fused-program.js';
import type { FusedLoop } from './partition.js';
import { encodeModule } from './wasm.js';

/** The loops of a step as the worker thread gets them: one module, and what to call with what. */
export interface FusedPlan {
  readonly module: Uint8Array<ArrayBuffer>;
  readonly calls: readonly {
    readonly function: string;
    readonly size: number;
    readonly arrays: readonly string[];
    readonly scalars: readonly string[];
  }[];
  /** Graph outputs that a loop reads as an array, with their shapes. */
  readonly scratch: readonly (readonly [name: string, shape: readonly number[]])[];
  readonly scalars: readonly string[];
}

/** Undefined when there is nothing to run. Loops that do the same share a function. */
export function planOf(loops: readonly FusedLoop[]): FusedPlan | undefined {
  if (loops.length === 0) return undefined;
  const programs = new Map<string, FusedProgram>();
  for (const { program } of loops) programs.set(programKey(program), program);
  const numbers = new Map([...programs.keys()].map((key, i) => [key, `f${i}`]));
  const scratch = new Map<string, readonly number[]>();
  for (const { arrays, shape } of loops) {
    for (const name of arrays) if (name.startsWith('array.')) scratch.set(name, shape);
  }
  return {
    module: encodeModule([...programs.values()]),
    calls: loops.map(({ program, shape, arrays, scalars }) => {
      return { function: numbers.get(programKey(program)) as string, size: sizeOf(shape), arrays, scalars };
    }),
    scratch: [...scratch],
    scalars: [...new Set(loops.flatMap(({ scalars }) => scalars))],
  };
}
