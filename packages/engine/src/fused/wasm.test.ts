import { describe, expect, it } from 'vitest';
import { encodeModule, type FusedProgram } from './wasm.js';

type Exported = (...numbers: number[]) => void;

function instantiate(programs: readonly FusedProgram[]): { memory: WebAssembly.Memory; functions: Exported[] } {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(encodeModule(programs)), { env: { memory } });
  return { memory, functions: programs.map((_, i) => instance.exports[`f${i}`] as Exported) };
}

describe('encodeModule', () => {
  const halfDifference: FusedProgram = {
    arrays: 2,
    scalars: 1,
    instructions: [
      { kind: 'load', array: 0 },
      { kind: 'load', array: 1 },
      { kind: 'constant', number: 0.5 },
      { kind: 'scalar', index: 0 },
      { kind: 'compute', operator: 'Sub', operands: [0, 1] },
      { kind: 'compute', operator: 'Mul', operands: [4, 2] },
      { kind: 'compute', operator: 'Add', operands: [5, 3] },
    ],
    stores: [{ array: 0, from: 6 }],
  };

  it('makes loops that overwrite an array in place', () => {
    const { memory, functions } = instantiate([halfDifference]);
    const [a, b] = [new Float32Array(memory.buffer, 0, 8), new Float32Array(memory.buffer, 32, 8)];
    a.set([1, 2, 3, 4, 5, 6, 7, 8]);
    b.set([1, 1, 1, 1, 2, 2, 2, 2]);
    functions[0]?.(32, 0, 32, 10);
    expect([...a]).toEqual([10, 10.5, 11, 11.5, 11.5, 12, 12.5, 13]);
    expect([...b]).toEqual([1, 1, 1, 1, 2, 2, 2, 2]);
  });

  it('knows every operator', () => {
    const compute = (operator: 'Neg' | 'Abs' | 'Sqrt' | 'Div' | 'Min' | 'Max', operands: number[]): FusedProgram => ({
      arrays: 3,
      scalars: 0,
      instructions: [
        { kind: 'load', array: 0 },
        { kind: 'load', array: 1 },
        { kind: 'compute', operator, operands },
      ],
      stores: [{ array: 2, from: 2 }],
    });
    const expected = { Neg: [-9, 4], Abs: [9, 4], Sqrt: [3, NaN], Div: [4.5, -2], Min: [2, -4], Max: [9, 2] };
    for (const [operator, results] of Object.entries(expected)) {
      const operands = ['Neg', 'Abs', 'Sqrt'].includes(operator) ? [0] : [0, 1];
      const { memory, functions } = instantiate([compute(operator as 'Neg', operands)]);
      const numbers = new Float32Array(memory.buffer, 0, 12);
      numbers.set([9, -4, 9, -4, 2, 2, 2, 2]);
      functions[0]?.(16, 0, 16, 32);
      expect([...numbers.subarray(8, 10)], operator).toEqual(results);
    }
  });

  it('encodes many functions and long bodies', () => {
    const instructions: FusedProgram['instructions'][number][] = [{ kind: 'load', array: 0 }];
    for (let i = 0; i < 300; i++) instructions.push({ kind: 'compute', operator: 'Add', operands: [i, 0] });
    const long: FusedProgram = { arrays: 1, scalars: 0, instructions, stores: [{ array: 0, from: 300 }] };
    const { memory, functions } = instantiate([halfDifference, long]);
    const numbers = new Float32Array(memory.buffer, 0, 4);
    numbers.fill(1);
    functions[1]?.(16, 0);
    expect([...numbers]).toEqual([301, 301, 301, 301]);
  });
});
