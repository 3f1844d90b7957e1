import { createEngine } from '@drf/engine';
import { hostTensor, type Engine, type HostTree } from '@drf/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SIZES } from './command.js';
import { compareEngines, compareNumbers } from './compare.js';
import { largestDifference, relativeDrift } from './differences.js';

const tree = (...numbers: number[]): HostTree => ({ a: { b: hostTensor(numbers, [numbers.length]) } });

describe('differences', () => {
  it('are relative to the largest number of a tensor', () => {
    expect(largestDifference(tree(1, 4.5), tree(1, 5))).toBeCloseTo(0.1, 6);
    expect(largestDifference(tree(0, 0), tree(0, 0))).toBe(0);
    expect(largestDifference(tree(1, 0), tree(0, 0))).toBe(Infinity);
  });

  it('of trainings are relative to how far they came', () => {
    expect(relativeDrift(tree(10.3), tree(10.2), tree(10))).toBeCloseTo(0.5, 4);
    expect(relativeDrift(tree(10), tree(10.2), tree(10))).toBeCloseTo(1, 4); // a training that does not move
    expect(relativeDrift(tree(10.2), tree(10.2), tree(10))).toBe(0);
  });

  it('are infinite for what is no number, and for other tensors', () => {
    expect(largestDifference(tree(NaN, 1), tree(1, 1))).toBe(Infinity);
    expect(largestDifference(tree(1), tree(1, 1))).toBe(Infinity);
    expect(largestDifference({}, tree(1))).toBe(Infinity);
    expect(relativeDrift(tree(NaN), tree(1), tree(0))).toBe(Infinity);
    expect(relativeDrift({ c: hostTensor([1], [1]) }, tree(1), tree(0))).toBe(Infinity);
  });
});

const TINY = { ...SIZES.tiny, steps: 3 };
const SLOWLY = 240_000; // sessions are made by the dozen

describe('bench engines', () => {
  const open = (): Promise<Engine> => createEngine('compiled:cpu', { threads: 1 });
  let engines: [Engine, Engine];
  beforeAll(async () => void (engines = [await open(), await open()]));
  afterAll(async () => void (await Promise.all(engines.map((engine) => engine.dispose()))));

  it('finds no difference between an engine and itself, and times both', { timeout: SLOWLY }, async () => {
    const stages: string[] = [];
    const report = await compareEngines(engines, TINY, { rounds: 2, seconds: 600, onStage: (each) => stages.push(each) }); // prettier-ignore
    expect(report.equality.map(({ difference }) => difference)).toEqual(report.equality.map(() => 0));
    expect(report).toMatchObject({ reference: 'compiled', candidate: 'compiled', holds: true, leftOut: [] });
    expect(report.equality).toHaveLength(7);
    expect(report.speed.map(({ what, rounds }) => [what, rounds])).toEqual(
      ['head step', 'predict, one post', 'encoding', 'fine-tuning step'].map((what) => [what, 2]),
    );
    for (const { reference, candidate, ratio } of report.speed) expect(Math.min(reference, candidate, ratio)).toBeGreaterThan(0); // prettier-ignore
    expect(stages).toHaveLength(9);
  });

  it('compares numbers even where no time is left, and says what was not timed', { timeout: SLOWLY }, async () => {
    const report = await compareEngines(engines, TINY, { rounds: 1, seconds: 0 });
    expect(report.equality).toHaveLength(7);
    expect([report.speed, report.leftOut.length]).toEqual([[], 4]);
  });

  it(
    'holds for another engine that is right, and not for one that computes something else',
    { timeout: SLOWLY },
    async () => {
      const eager = await createEngine('eager:cpu');
      const right = await compareNumbers([engines[0], eager], TINY);
      expect(right.filter(({ holds }) => !holds)).toEqual([]);
      expect(right.some(({ difference }) => difference > 0)).toBe(true);
      const wrong = await compareNumbers([engines[0], scaled(engines[1], 1.2)], TINY);
      // of texts only the mask is scaled, which weighs words relative to each other
      expect(wrong.filter(({ holds }) => holds).map(({ what }) => what)).toEqual(['text encoder, outputs']);
      await eager.dispose();
    },
  );
});

/** An engine whose floats that come in are all too large. */
function scaled(engine: Engine, factor: number): Engine {
  const larger = <T extends HostTree>(host: T): T =>
    Object.fromEntries(
      Object.entries(host).map(([name, value]) => {
        if (!('data' in value)) return [name, larger(value as HostTree)];
        const { data, shape } = value as ReturnType<typeof hostTensor>;
        return [name, data instanceof Float32Array ? hostTensor(data.map((each) => each * factor), shape) : value]; // prettier-ignore
      }),
    ) as T;
  return {
    name: 'scaled',
    async prepare(run, constants) {
      const program = await engine.prepare(run, constants);
      return { run: (inputs) => program.run(larger(inputs)), dispose: () => program.dispose() };
    },
    async prepareStep(step, state) {
      const program = await engine.prepareStep(step, state);
      return {
        step: (inputs) => program.step(larger(inputs)),
        readState: () => program.readState(),
        readLeaf: (name) => program.readLeaf(name),
        writeState: (given) => program.writeState(given),
        dispose: () => program.dispose(),
      };
    },
    dispose: () => engine.dispose(),
  };
}
