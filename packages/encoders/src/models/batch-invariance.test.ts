// What comes of a content is the same to the last bit, whatever else is in the batch: judges rely on it.
import { readdirSync } from 'node:fs';
import { createEngine } from '@drf/engine';
import {
  floatData,
  hostTensor,
  mapTree,
  type Engine,
  type HostTensor,
  type HostTree,
  type TensorTree,
} from '@drf/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixturePath, loadReference } from '../testing/reference.js';

const MODELS = readdirSync(fixturePath(), { withFileTypes: true })
  .filter((each) => each.isDirectory() && each.name !== 'tokenizers')
  .map(({ name }) => name);

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

describe('a batch', () => {
  it.each(MODELS)('gives of each content what %s gives of it alone', async (name) => {
    const { parameters, inputs, apply } = await loadReference(fixturePath(name));
    const runner = await engine.prepareStep((state: TensorTree, contents: TensorTree) => {
      const { tokens, pooled } = apply(state, contents);
      const outputs: TensorTree = { tokens, ...(pooled === undefined ? {} : { pooled }) };
      return { state, outputs };
    }, parameters);
    const count = (Object.values(inputs)[0] as HostTensor).shape[0] as number;
    const order = Array.from({ length: 5 }, (_each, i) => i % count);
    const together = (await runner.step(rowsOf(inputs, order))) as Record<string, HostTensor>;
    for (const [place, content] of order.entries()) {
      const alone = (await runner.step(rowsOf(inputs, [content]))) as Record<string, HostTensor>;
      for (const [output, tensor] of Object.entries(together)) {
        expect(floatData(tensor).every(Number.isFinite)).toBe(true);
        expect(row(alone[output] as HostTensor, 0), output).toEqual(row(tensor, place));
      }
    }
    await runner.dispose();
  });
});
