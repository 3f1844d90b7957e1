import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import {
  byModality,
  flattenTree,
  hostTensor,
  type Engine,
  type Host,
  type HostTensor,
  type HostTree,
} from '@drf/tensor';
import { makeExample, type Example } from './testing/examples.js';
import {
  ADAMW_DEFAULTS,
  joinParts,
  prepareTraining,
  stepPart,
  stepSchedule,
  type BatchInputs,
  type DrfMemoryInputs,
  type DrfObservations,
  type LearnOutputs,
  type TrainingProgram,
} from './index.js';

beforeAll(() => tf.setBackend('cpu'));

const RATES = { encoder: 1e-3, head: 1e-2, floor: 1e-6 };

type Program = TrainingProgram<BatchInputs, DrfMemoryInputs, DrfObservations>;

function rows(tensor: HostTensor, start: number, end: number): HostTensor {
  const width = tensor.data.length / (tensor.shape[0] as number);
  return hostTensor(tensor.data.slice(start * width, end * width), [end - start, ...tensor.shape.slice(1)]);
}

/** One step in parts of the given sizes, enqueueing after the last. */
async function stepInParts(program: Program, example: Example, step: number, sizes: readonly number[]) {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const memory = example.memory.inputs();
  const schedule = stepSchedule(step, 4, RATES, ADAMW_DEFAULTS);
  const outputs: Host<LearnOutputs<DrfObservations>>[] = [];
  let start = 0;
  for (const [index, size] of sizes.entries()) {
    const end = start + size;
    const batch = byModality((modality) => {
      const { features, available } = example.batch[modality];
      return { features: rows(features, start, end), available: rows(available, start, end) };
    });
    const inputs = { batch, labels: rows(example.labels, start, end), memory };
    const part = stepPart(index, size, total);
    if (sizes.length === 1) outputs.push(await program.learn({ ...inputs, schedule }));
    else if (index < sizes.length - 1) outputs.push(await program.accumulate({ ...inputs, part }));
    else outputs.push(await program.learn({ ...inputs, part, schedule }));
    start = end;
  }
  const joined = joinParts(outputs, sizes);
  example.memory.update(joined.observations);
  return joined;
}

async function train(engine: Engine, sizes: readonly number[], clip: { readonly clipNorm?: number } = {}) {
  const example = makeExample({ batch: 6, dim: 5, imageRows: 4, textRows: 2, capacity: 8 });
  const options = { ...ADAMW_DEFAULTS, ...clip, inParts: sizes.length > 1 };
  const program = await prepareTraining(engine, example.method, example.parameters, options);
  const outputs: Host<LearnOutputs<DrfObservations>>[] = [];
  for (let step = 0; step < 4; step++) outputs.push(await stepInParts(program, example, step, sizes));
  const state = await program.readState();
  await program.dispose();
  return { outputs, state, memory: example.memory.state() };
}

function expectClose(received: HostTree, expected: HostTree, tolerance: number): void {
  const due = flattenTree<HostTensor>(expected);
  expect([...flattenTree<HostTensor>(received).keys()]).toEqual([...due.keys()]);
  for (const [name, { data, shape }] of flattenTree<HostTensor>(received)) {
    const want = due.get(name) as HostTensor;
    expect(shape, name).toEqual(want.shape);
    data.forEach((value, i) => {
      const reference = want.data[i] as number;
      if (Math.abs(value - reference) <= tolerance * (1 + Math.abs(reference))) return;
      expect.fail(`${name}[${i}]: expected ${reference}, received ${value}`);
    });
  }
}

describe.each(['eager:cpu', 'compiled'])('steps in parts (%s)', (name) => {
  let engine: Engine;
  beforeAll(async () => void (engine = await createEngine(name)));
  afterAll(() => engine.dispose());

  it.each([
    ['equal parts', [3, 3], {}],
    ['unequal parts', [4, 1, 1], {}],
    ['clipped gradients', [2, 2, 2], { clipNorm: 0.5 }],
  ])('equal the whole batch: %s', async (_, sizes, options) => {
    const whole = await train(engine, [6], options);
    const parts = await train(engine, sizes, options);
    parts.outputs.forEach((outputs, step) => expectClose(outputs, whole.outputs[step] as HostTree, 2e-4));
    expectClose(parts.state.parameters, whole.state.parameters, 2e-4);
    expectClose(parts.state.moments, whole.state.moments, 1e-4);
    expectClose(parts.memory, whole.memory, 2e-4);
  });

  it('clip to the norm that is given, and report it from before', async () => {
    const free = await train(engine, [6], { clipNorm: 1e9 });
    const clipped = await train(engine, [6], { clipNorm: 1e-3 });
    const [norm, same] = [free, clipped].map(({ outputs }) => outputs[0]?.gradientNorm?.data[0] as number);
    expect(norm).toBeGreaterThan(0.1);
    expect(same).toBeCloseTo(norm as number, 4);
  });
});

describe('a step in two halves', () => {
  it.each([{}, { clipNorm: 0.5 }])('moves as learning does, to the bit (%o)', async (clip) => {
    const engine = await createEngine('eager:cpu');
    const programs = await Promise.all(
      [0, 1].map(async () => {
        const example = makeExample({ batch: 6, dim: 5, imageRows: 4, textRows: 2, capacity: 8 });
        const program = await prepareTraining(engine, example.method, example.parameters, {
          ...ADAMW_DEFAULTS,
          ...clip,
        });
        return { example, program };
      }),
    );
    const [whole, halves] = programs as [(typeof programs)[0], (typeof programs)[0]];
    for (let step = 0; step < 3; step++) {
      const schedule = stepSchedule(step, 4, RATES, ADAMW_DEFAULTS);
      const { batch, labels, memory } = whole.example;
      const inputs = { batch, labels, memory: memory.inputs() };
      const learned = await whole.program.learn({ ...inputs, schedule });
      const { gradients, ...said } = await halves.program.differentiate({ ...inputs, part: stepPart(0, 6, 6) });
      const before = await halves.program.readState();
      const norm = await halves.program.move({ gradients, schedule });
      expect({ ...said, ...norm }).toEqual(learned);
      expect(before).not.toEqual(await halves.program.readState()); // differentiating alone moved nothing
      expect(await halves.program.readState()).toEqual(await whole.program.readState());
      memory.update(learned.observations);
    }
    await engine.dispose();
  });
});

describe('joinParts', () => {
  it('weights numbers by posts and puts rows end to end', () => {
    const part = (value: number, values: number[]): HostTree => ({
      threshold: hostTensor([value], []),
      features: hostTensor(values, [values.length / 2, 2]),
    });
    const joined = joinParts([part(1, [1, 2, 3, 4, 5, 6]), part(5, [7, 8])], [3, 1]);
    expect(joined.threshold).toEqual(hostTensor([2], []));
    expect(joined.features).toEqual(hostTensor([1, 2, 3, 4, 5, 6, 7, 8], [4, 2]));
  });
});
