import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import { type Engine, floatData, hostTensor, type HostTensor } from '@drf/tensor';
import { loadBert } from './load-encoder.js';
import { applyBert, type BertInputs } from '../models/bert.js';
import { openEncoder } from '../open-encoder.js';
import { maximumDifference } from '../testing/graph-model.js';
import { readFixture } from '../testing/reference.js';

/** A checkpoint with real weights: all-MiniLM-L6-v2, which `scripts/fetch-minilm.mjs` fetches. */
const FOLDER = resolve(process.env.DRF_MINILM ?? 'cache/minilm');
const isThere = existsSync(FOLDER);
const reason = isThere ? '' : ` (skipped: no ${FOLDER}; node scripts/fetch-minilm.mjs, or DRF_MINILM=<folder>)`;

interface Expected {
  readonly sentences: readonly string[];
  readonly ids: readonly (readonly number[])[];
  readonly embeddings: readonly (readonly number[])[];
}

/** Rows of unit length. */
function normalized({ data, shape }: HostTensor): number[][] {
  const [rows, dim] = shape as [number, number];
  return Array.from({ length: rows }, (_, row) => {
    const values = [...data.slice(row * dim, (row + 1) * dim)];
    const length = Math.hypot(...values);
    return values.map((value) => value / length);
  });
}

/** Mean over the tokens: [batch, token, dim] → [batch, dim]. */
function meanOf(states: HostTensor, mask: HostTensor): HostTensor {
  const [batch, length, dim] = states.shape as [number, number, number];
  const values = floatData(states);
  const means = new Float32Array(batch * dim);
  for (let row = 0; row < batch; row++) {
    const kept = floatData(mask).slice(row * length, (row + 1) * length);
    const count = kept.reduce((sum, value) => sum + value, 0);
    for (let i = 0; i < length * dim; i++) {
      const at = row * dim + (i % dim);
      means[at] =
        (means[at] as number) +
        ((values[row * length * dim + i] as number) * (kept[Math.floor(i / dim)] as number)) / count;
    }
  }
  return hostTensor(means, [batch, dim]);
}

describe.skipIf(!isThere)(`all-MiniLM-L6-v2, as in transformers${reason}`, () => {
  let engine: Engine;
  let expected: Expected;
  beforeAll(async () => {
    engine = await createEngine('compiled');
    expected = (await readFixture('minilm.json')) as Expected;
  });
  afterAll(() => engine.dispose());

  it('has the same embeddings of given tokens', async () => {
    const { config, parameters, ignored } = await loadBert(FOLDER, { pooler: false });
    expect(ignored).toEqual(['embeddings.position_ids', 'pooler.dense.bias', 'pooler.dense.weight']);
    const length = Math.max(...expected.ids.map((row) => row.length));
    const padded = (pick: (id: number | undefined) => number): number[] =>
      expected.ids.flatMap((row) => Array.from({ length }, (_, i) => pick(row[i])));
    const shape = [expected.ids.length, length];
    const ids = hostTensor(Int32Array.from(padded((id) => id ?? 0)), shape);
    const mask = hostTensor(
      padded((id) => Number(id !== undefined)),
      shape,
    );
    const program = await engine.prepare(
      (constants, inputs: BertInputs) => ({ states: applyBert(config, constants, inputs).tokens }),
      parameters,
    );
    const { states } = await program.run({ ids, mask });
    await program.dispose();
    const embeddings = normalized(meanOf(states, mask));
    expect(maximumDifference(embeddings.flat(), expected.embeddings.flat())).toBeLessThan(1e-5);
  });

  it('has the same embeddings of sentences', async () => {
    const encoder = await openEncoder(`huggingface:${FOLDER}`, 'text', engine, { pooling: 'mean' });
    const embeddings = normalized(await encoder.encode(expected.sentences));
    await encoder.dispose();
    expect(maximumDifference(embeddings.flat(), expected.embeddings.flat())).toBeLessThan(1e-5);
  });
});
