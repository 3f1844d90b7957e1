import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import {
  createRandom,
  flattenTree,
  hostTensor,
  type Engine,
  type Host,
  type HostTensor,
  type TensorTree,
} from '@drf/tensor';
import { makeExample, relativeError, type Example } from './testing/examples.js';
import {
  ADAMW_DEFAULTS,
  createConcatenation,
  createDrf,
  drfConfig,
  prepareTraining,
  stepSchedule,
  type BatchInputs,
  type LearnOutputs,
  type Memory,
  type Method,
  type MethodParameters,
  type TrainingProgram,
} from './index.js';
import { referenceGradients } from './testing/reference.js';

let engine: Engine;
beforeAll(async () => {
  await tf.setBackend('cpu');
  engine = await createEngine('eager:cpu');
});
afterAll(() => engine.dispose());

type Program = TrainingProgram;
const RATES = { encoder: 1e-3, head: 1e-2, floor: 1e-6 };

const prepare = (method: Method, parameters: Host<MethodParameters>): Promise<Program> =>
  prepareTraining(engine, method, parameters, ADAMW_DEFAULTS);

/** One step, and the memory after it. */
async function advance(
  program: Program,
  memory: Memory,
  batch: Host<BatchInputs>,
  labels: HostTensor,
  step: number,
  totalSteps: number,
  rates = RATES,
): Promise<Host<LearnOutputs>> {
  const schedule = stepSchedule(step, totalSteps, rates, ADAMW_DEFAULTS);
  const outputs = await program.learn({ batch, labels, memory: memory.inputs(), schedule });
  memory.update(outputs.observations);
  return outputs;
}

async function run(example: Example, from: number, to: number, program: Program): Promise<unknown[]> {
  const outputs: unknown[] = [];
  for (let step = from; step < to; step++) {
    outputs.push(await advance(program, example.memory, example.batch, example.labels, step, 6));
  }
  return outputs;
}

describe('prepareTraining', () => {
  it('moves every parameter by AdamW along the gradient of the reference', async () => {
    const example = makeExample({ dim: 3 });
    const { weighting } = example.config;
    const due = referenceGradients(example.plain.inputs, example.plain.parameters, { weighting });
    const program = await prepare(example.method, example.parameters);
    await run(example, 0, 1, program);
    const { parameters, moments } = await program.readState();
    await program.dispose();
    const [first, second] = [moments.first, moments.second].map((tree) => flattenTree<HostTensor>(tree));
    for (const [name, before] of flattenTree<HostTensor>(example.parameters.trained)) {
      const slopes = due.get(name) as number[];
      expect(relativeError([...(first?.get(name) as HostTensor).data], slopes.map((slope) => 0.1 * slope)), name).toBeLessThan(1e-4); // prettier-ignore
      expect(relativeError([...(second?.get(name) as HostTensor).data], slopes.map((slope) => 1e-3 * slope ** 2)), name).toBeLessThan(2e-4); // prettier-ignore
      const after = flattenTree<HostTensor>(parameters.trained).get(name) as HostTensor;
      slopes.forEach((slope, i) => {
        const value = before.data[i] as number;
        const decay = before.shape.length > 1 ? 0.01 * value : 0;
        if (Math.abs(slope) < 1e-5) return; // its sign is rounding
        expect(after.data[i], name).toBeCloseTo(value - 1e-2 * (Math.sign(slope) + decay), 4);
      });
    }
  });

  it('reports the loss, its parts and the probabilities from before the update', async () => {
    const example = makeExample();
    const program = await prepare(example.method, example.parameters);
    const outputs = await advance(program, example.memory, example.batch, example.labels, 0, 2);
    await program.dispose();
    const parts = Object.values(outputs.parts).map((part) => part.data[0] as number);
    expect(outputs.total.data[0]).toBeCloseTo(parts.reduce((sum, part) => sum + part), 4); // prettier-ignore
    expect(outputs.probabilities.shape).toEqual([5, 3]);
    for (let post = 0; post < 5; post++) {
      const ofPost = [...outputs.probabilities.data.slice(3 * post, 3 * post + 3)];
      expect(ofPost.reduce((sum, value) => sum + value)).toBeCloseTo(1, 5);
    }
  });

  it('repeats to the bit, and goes on from saved state and memory as if it had not stopped', async () => {
    const straight = makeExample({ imageRows: 1, textRows: 0 });
    const program = await prepare(straight.method, straight.parameters);
    const first = await run(straight, 0, 3, program);
    const [state, memory] = [await program.readState(), straight.memory.state()];
    const rest = await run(straight, 3, 6, program);

    const again = makeExample({ imageRows: 1, textRows: 0 });
    const repeated = await prepare(again.method, again.parameters);
    expect(await run(again, 0, 3, repeated)).toEqual(first);

    const resumed = makeExample({ imageRows: 1, textRows: 0 });
    resumed.memory.restore(memory);
    const other = await prepare(resumed.method, resumed.method.initialParameters(createRandom(99)));
    await other.writeState(state);
    expect(await run(resumed, 3, 6, other)).toEqual(rest);
    expect(await other.readState()).toEqual(await program.readState());
    expect(resumed.memory.state()).toEqual(straight.memory.state());
    for (const each of [program, repeated, other]) await each.dispose();
  });

  it.each([
    ['drf', makeExample({ imageRows: 0, textRows: 0 }).method],
    ['concatenation', createConcatenation({ dim: 4 }, { imageDim: 4, textDim: 4, classes: 3 })],
  ])('leaks no tensor, step after step (%s)', async (_, method) => {
    const { batch, labels } = makeExample();
    const memory = method.createMemory();
    const program = await prepare(method, method.initialParameters(createRandom(1)));
    const counts: number[] = [];
    for (let step = 0; step < 5; step++) {
      await advance(program, memory, batch, labels, step, 5);
      counts.push(tf.memory().numTensors);
    }
    expect(new Set(counts).size).toBe(1);
    await program.dispose();
  });

  it('takes batches of different sizes, such as the short last one', async () => {
    const example = makeExample({ batch: 6 });
    const program = await prepare(example.method, example.parameters);
    for (const batch of [6, 1, 4]) {
      const { batch: inputs, labels } = makeExample({ batch, seed: batch, missing: false });
      const { probabilities } = await advance(program, example.memory, inputs, labels, 0, 1);
      expect(probabilities.shape).toEqual([batch, 3]);
    }
    await program.dispose();
  });
});

/** Posts of two classes, each around its own center in both modalities. */
function separable(count: number, seed: number, missing: boolean): { batch: Host<BatchInputs>; labels: HostTensor } {
  const random = createRandom(seed);
  const labels = Array.from({ length: count }, (_, post) => post % 2);
  const features = (sign: number): HostTensor =>
    hostTensor(labels.flatMap((label) => [0, 1, 2].map((axis) => (label === axis % 2 ? 2 * sign : -sign) + 0.3 * random.normal())), [count, 3]); // prettier-ignore
  const available = (turn: number): HostTensor =>
    hostTensor(labels.map((_, post) => (missing && (post >> 1) % 4 === turn ? 0 : 1)), [count]); // prettier-ignore
  const batch = {
    image: { features: features(1), available: available(1) },
    text: { features: features(-1), available: available(2) },
  };
  return { batch, labels: hostTensor(Int32Array.from(labels), [count]) };
}

describe('a tiny separable problem is learned', () => {
  const shapes = { imageDim: 3, textDim: 3, classes: 2 };
  const config = drfConfig(4, { queueCapacity: 16, weighting: 'normalized' });
  it.each([
    ['drf', createDrf(config, shapes), false],
    ['drf, some modalities missing', createDrf(config, shapes), true],
    ['concatenation', createConcatenation({ dim: 4 }, shapes), false],
    ['concatenation, some modalities missing', createConcatenation({ dim: 4 }, shapes), true],
  ])('by %s', async (_, method, missing) => {
    const memory = method.createMemory();
    const program = await prepare(method, method.initialParameters(createRandom(3)));
    const totalSteps = 30;
    const losses: number[] = [];
    let last: Host<LearnOutputs> | undefined;
    for (let step = 0; step < totalSteps; step++) {
      const { batch, labels } = separable(16, step, missing);
      last = await advance(program, memory, batch, labels, step, totalSteps, { ...RATES, head: 0.05 });
      losses.push(last.parts.classification?.data[0] as number);
    }
    const held = separable(64, 1000, missing);
    const { parameters } = await program.readState();
    await program.dispose();
    const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(losses.slice(-5))).toBeLessThan(0.25 * mean(losses.slice(0, 5)));
    expect(await accuracyOf(method, parameters, memory, held)).toBe(1);
  });

  async function accuracyOf(
    method: Method,
    parameters: Host<MethodParameters>,
    memory: Memory,
    { batch, labels }: { batch: Host<BatchInputs>; labels: HostTensor },
  ): Promise<number> {
    const program = await engine.prepare(
      (constants: { parameters: MethodParameters; memory?: TensorTree }, inputs: BatchInputs) => ({
        logits: method.predict(constants.parameters, inputs, constants.memory ?? {}).logits,
      }),
      { parameters, memory: memory.inputs() },
    );
    const { logits } = await program.run(batch);
    await program.dispose();
    const [a, b] = [0, 1].map((label) => [...logits.data].filter((_, i) => i % 2 === label)) as [number[], number[]];
    return a.filter((score, post) => (score > (b[post] as number) ? 0 : 1) === labels.data[post]).length / a.length;
  }
});
