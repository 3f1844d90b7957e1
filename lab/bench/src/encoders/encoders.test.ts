import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeTinyVit } from '@drf/encoders/testing';
import { createCompiledEngine } from '@drf/engine';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { measureEncodersMemory } from '../bench-memory.js';
import { measureImageSizes } from './image-sizes.js';
import { measureEncoders } from './measure.js';
import { BASE_SIZES, createEncoderWorkload, MODES, PARTS } from './workload.js';

const TINY = {
  ...BASE_SIZES,
  ...{ batch: 2, length: 6, image: 8, patch: 4, dim: 8, layers: 1, heads: 2, vocabulary: 20, queue: 4 },
};

describe('encoder workloads', () => {
  const engine = createCompiledEngine({ threads: 1 });
  beforeAll(async () => void (await engine));
  afterAll(async () => (await engine).dispose());

  it.each(PARTS.flatMap((part) => MODES.map((mode) => [part, mode] as const)))('%s: %s', async (part, mode) => {
    const workload = await createEncoderWorkload(await engine, part, mode, TINY, [4, 6]);
    const results: number[] = [];
    for (let number = 0; number < 4; number++) results.push(await workload.call(number));
    await workload.dispose();
    expect(results.every(Number.isFinite)).toBe(true);
    if (mode === 'step')
      expect(new Set(results).size).toBe(4); // the loss moves
    else expect(results.slice(2)).toEqual(results.slice(0, 2));
  });

  it('loses the same with the values of each layer computed anew', async () => {
    const losses = [false, true].map(async (recompute) => {
      const workload = await createEncoderWorkload(await engine, 'both', 'step', { ...TINY, recompute });
      await workload.call(0);
      const loss = await workload.call(1);
      await workload.dispose();
      return loss;
    });
    const [plain, again] = (await Promise.all(losses)) as [number, number];
    expect(again).toBeCloseTo(plain, 5);
  });
});

describe('measureEncoders', () => {
  it('reports time and memory of a call', async () => {
    const task = { part: 'bert', mode: 'forward', sizes: TINY } as const;
    const report = await measureEncoders(task, { calls: 2, warmUp: 1 });
    expect(report.seconds).toBeGreaterThan(0);
    expect(report.peakMegabytes).toBeGreaterThan(50);
  });
});

describe('measureEncodersMemory', () => {
  it('compares the resident size of an early and a late step', async () => {
    const report = await measureEncodersMemory(TINY, [4, 6], { early: 2, steps: 6 });
    expect(report.late.step).toBe(6);
    expect(report.growth).toBeCloseTo((report.late.megabytes - report.early.megabytes) / report.early.megabytes, 10);
    expect(report.peakMegabytes).toBeGreaterThanOrEqual(report.late.megabytes - 1);
  });
});

describe('measureImageSizes', () => {
  it('says what an image of each size takes', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'drf-bench-'));
    await writeTinyVit(folder);
    const options = { engine: 'compiled', sizes: [32, 16], batch: 2, layers: 1, calls: 1 } as const;
    const times = await measureImageSizes(folder, options);
    await rm(folder, { recursive: true });
    expect(times.map(({ side, tokens }) => [side, tokens])).toEqual([[32, 16], [16, 4]]); // prettier-ignore
    expect(times.every(({ forward, step }) => forward > 0 && step > 0)).toBe(true);
  });
});
