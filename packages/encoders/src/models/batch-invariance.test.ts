// What comes of a content is the same to the last bit, whatever else is in the batch: judges rely on it.
import { readdirSync } from 'node:fs';
import { createEngine } from '@drf/engine';
import { WorkerClient } from '@drf/onnx/worker';
import {
  floatData,
  hostTensor,
  mapTree,
  type Engine,
  type HostTensor,
  type HostTree,
  type ProductType,
  type TensorTree,
} from '@drf/tensor';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { dynamicAxesOf } from '../batches.js';
import { fixturePath, loadReference } from '../testing/reference.js';

const MODELS = readdirSync(fixturePath(), { withFileTypes: true })
  .filter((each) => each.isDirectory() && each.name !== 'tokenizers')
  .map(({ name }) => name);

/** Texts of one token, and some that are longer than the windows and the near distances of attention. */
const LENGTHS = [1, 11, 24, 40];

let engine: Engine;
beforeAll(async () => void (engine = await createEngine('compiled')));
afterAll(() => engine.dispose());

/** A row of each input, so many times. */
function rowsOf(inputs: HostTree, rows: readonly number[]): HostTree {
  const take = ({ data, dtype, shape }: HostTensor): HostTensor => {
    const size = data.length / (shape[0] as number);
    const taken = rows.flatMap((row) => Array.from(data.subarray(row * size, (row + 1) * size)));
    const values = dtype === 'int32' ? Int32Array.from(taken) : Float32Array.from(taken);
    return hostTensor(values, [rows.length, ...shape.slice(1)]);
  };
  return mapTree(inputs, take) as HostTree;
}

function row({ data, shape }: HostTensor, place: number): readonly number[] {
  const size = data.length / (shape[0] as number);
  return Array.from(data.subarray(place * size, (place + 1) * size));
}

/** Runs a model, by a graph for each size of inputs or by one for all. */
async function prepare(name: string, way: 'fixed' | 'dynamic', products: ProductType) {
  const { parameters, inputs, apply } = await loadReference(fixturePath(name));
  const compute = (state: TensorTree, contents: TensorTree): TensorTree => {
    const { tokens, pooled } = apply(state, contents);
    return { tokens, ...(pooled === undefined ? {} : { pooled }) };
  };
  const own = Object.fromEntries(Object.entries(inputs).filter(([key]) => !key.endsWith('Factors'))) as HostTree;
  const axes = dynamicAxesOf({ modality: 'ids' in own ? 'text' : 'image' });
  const program = await engine.prepare(compute, parameters, {
    products,
    parallel: 1,
    ...(way === 'fixed' ? {} : { dynamicAxes: axes }),
  });
  return { program, inputs: own };
}

const count = (inputs: HostTree): number => (Object.values(inputs)[0] as HostTensor).shape[0] as number;

/** Texts that are longer, or shorter, by tokens of their own. */
function withLength(inputs: HostTree, length: number): HostTree {
  const stretch = ({ data, dtype, shape: [rows, before] }: HostTensor): HostTensor => {
    const values = Array.from({ length: (rows as number) * length }, (_, i) => {
      return data[Math.floor(i / length) * (before as number) + ((i % length) % (before as number))] as number;
    });
    const array = dtype === 'int32' ? Int32Array.from(values) : Float32Array.from(values);
    return hostTensor(array, [rows as number, length]);
  };
  return mapTree(inputs, stretch) as HostTree;
}

describe.each(['fixed', 'dynamic'] as const)('a batch of %s size', (way) => {
  it.each(MODELS)('gives of each content what %s gives of it alone', async (name) => {
    const { program, inputs } = await prepare(name, way, 'float32');
    const order = Array.from({ length: 5 }, (_each, i) => i % count(inputs));
    const together = (await program.run(rowsOf(inputs, order))) as Record<string, HostTensor>;
    for (const [place, content] of order.entries()) {
      const alone = (await program.run(rowsOf(inputs, [content]))) as Record<string, HostTensor>;
      for (const [output, tensor] of Object.entries(together)) {
        expect(floatData(tensor).every(Number.isFinite)).toBe(true);
        expect(row(alone[output] as HostTensor, 0), output).toEqual(row(tensor, place));
      }
    }
    await program.dispose();
  });
});

describe('one graph for all sizes', () => {
  it.each(MODELS)('of %s gives what graphs of each size give', async (name) => {
    for (const products of ['float32', 'int8'] as const) {
      const ask = vi.spyOn(WorkerClient.prototype, 'ask');
      const one = await prepare(name, 'dynamic', products);
      const each = await prepare(name, 'fixed', products);
      const isText = 'ids' in one.inputs;
      const batches = [one.inputs, rowsOf(one.inputs, [0]), ...(isText ? LENGTHS.map((length) => withLength(one.inputs, length)) : [])]; // prettier-ignore
      let compared = 0;
      for (const inputs of batches) {
        const expected = await each.program.run(inputs).catch((error: unknown) => {
          if (!String(error).includes('tokens, for which the model has positions')) throw error;
          return undefined;
        });
        if (expected === undefined) continue;
        const outputs = await one.program.run(inputs);
        for (const [output, { data }] of Object.entries(outputs as Record<string, HostTensor>)) {
          const wanted = (expected as Record<string, HostTensor>)[output]?.data ?? [];
          expect(data.length).toBe(wanted.length);
          data.forEach((value, i) => expect(Math.abs(value - (wanted[i] as number))).toBeLessThan(1e-5));
        }
        compared++;
      }
      const created = ask.mock.calls.filter(([{ kind }]) => kind === 'create').length;
      expect(created - compared, 'sessions beside one for each size').toBe(1);
      expect(compared).toBeGreaterThanOrEqual(isText ? 3 : 2);
      await Promise.all([one.program.dispose(), each.program.dispose()]);
      ask.mockRestore();
    }
  });
});
