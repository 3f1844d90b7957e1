// Step 1 of the method: whatever stands in a missing modality's row must not influence any loss, statistic, queue,
// gradient or output. So these compare bits, not numbers within a tolerance.
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import { WEIGHTING_MODES } from '@drf/fusion';
import { byModality, createRandom, hostTensor, type Engine, type Host, type HostTensor } from '@drf/tensor';
import { evaluate, makeExample, type Evaluated, type Example, type ExampleOptions } from './testing/examples.js';
import {
  ADAMW_DEFAULTS,
  createConcatenation,
  drfConfig,
  prepareTraining,
  stepSchedule,
  type BatchInputs,
  type Memory,
} from './index.js';

let engine: Engine;
beforeAll(async () => {
  await tf.setBackend('cpu');
  engine = await createEngine('eager:cpu');
});
afterAll(() => engine.dispose());

const FILLINGS = [1e30, NaN, -Infinity];

/** The batch with every missing row filled with one number. */
function fill(batch: Host<BatchInputs>, value: number): Host<BatchInputs> {
  const filled = (features: HostTensor, available: HostTensor): HostTensor => {
    const data = Float32Array.from(features.data);
    const width = features.shape[1] as number;
    available.data.forEach((isAvailable, row) => {
      if (isAvailable === 0) data.fill(value, row * width, (row + 1) * width);
    });
    return hostTensor(data, features.shape);
  };
  return byModality((modality) => {
    const { features, available } = batch[modality];
    return { features: filled(features, available), available };
  });
}

const configurations: readonly (ExampleOptions & { name: string })[] = [
  ...WEIGHTING_MODES.map((weighting) => ({ name: weighting, config: { weighting } })),
  { name: 'with projections', imageDim: 6, textDim: 3 },
  { name: 'during warm-up', imageRows: 1, textRows: 0 },
  { name: 'with part-filled queues', imageRows: 3, textRows: 2 },
  { name: 'without pair expansion', config: { ablations: { ...drfConfig(1).ablations, pairExpansion: false } } },
  {
    name: 'without Gaussian probability',
    config: { ablations: { ...drfConfig(1).ablations, gaussianProbability: false } },
  },
];

/** Losses, gradients and outputs of one step, the queues after it, and the parameters after two steps. */
async function everything(example: Example, batch: Host<BatchInputs>, options: ExampleOptions): Promise<unknown> {
  const filled = { ...example, batch };
  const outputs = await evaluate(engine, filled, example.memory.inputs());
  const memory = makeExample(options).memory;
  return { outputs, training: await train(filled, memory, 2), memory: memory.state() };
}

async function train(
  { method, parameters, batch, labels }: Evaluated,
  memory: Memory,
  steps: number,
): Promise<unknown> {
  const program = await prepareTraining(engine, method, parameters, ADAMW_DEFAULTS);
  const outputs: unknown[] = [];
  for (let step = 0; step < steps; step++) {
    const schedule = stepSchedule(step, steps, { encoder: 1e-3, head: 1e-2, floor: 1e-6 }, ADAMW_DEFAULTS);
    const result = await program.learn({ batch, labels, memory: memory.inputs(), schedule });
    memory.update(result.observations);
    outputs.push(result);
  }
  const state = await program.readState();
  await program.dispose();
  return { outputs, state };
}

describe('a missing modality’s row cannot influence anything of DRF', () => {
  it.each(configurations)('$name', async (options) => {
    const example = makeExample({ batch: 6, ...options });
    expect([...example.batch.image.available.data]).toContain(0);
    const baseline = await everything(example, fill(example.batch, 0), options);
    expect(JSON.stringify([...(baseline as { outputs: Map<string, number[]> }).outputs])).not.toContain('null'); // no NaN
    for (const value of FILLINGS) {
      expect(await everything(example, fill(example.batch, value), options), String(value)).toEqual(baseline);
    }
  });

  it('though available rows do (so that the comparison means something)', async () => {
    const example = makeExample({ batch: 6 });
    const baseline = await evaluate(engine, example, example.memory.inputs());
    const { features, available } = example.batch.image;
    const image = { features: hostTensor(Float32Array.from(features.data), features.shape), available };
    image.features.data[0] = 2.5;
    const changed = await evaluate(engine, { ...example, batch: { ...example.batch, image } }, example.memory.inputs());
    for (const name of ['total', 'parts.distribution', 'prediction.logits', 'observations.image.features']) {
      expect(changed.get(name)).not.toEqual(baseline.get(name));
    }
  });

  it('has no gradient of its own', async () => {
    const example = makeExample({ batch: 6 });
    const gradients = await evaluate(engine, { ...example, batch: fill(example.batch, NaN) }, example.memory.inputs());
    for (const modality of ['image', 'text'] as const) {
      const slopes = gradients.get(`gradients.${modality}`) as number[];
      example.batch[modality].available.data.forEach((isAvailable, row) => {
        const ofRow = slopes.slice(row * 4, (row + 1) * 4);
        expect(ofRow.every((slope) => Math.abs(slope) === 0)).toBe(isAvailable === 0);
      });
    }
  });

  it('never enters a queue', () => {
    const { memory } = makeExample({ imageRows: 0, textRows: 0 });
    const features = hostTensor([NaN, NaN, NaN, NaN, 1, 2, 3, 4], [2, 4]);
    const seen = { features, admitted: hostTensor([0, 1], [2]) };
    memory.update({ image: seen, text: seen });
    expect([...memory.queue('image').state().rows]).toEqual([1, 2, 3, 4]);
    expect(memory.queue('text').size).toBe(1);
  });
});

describe('a missing modality’s row cannot influence anything of concatenation', () => {
  it.each([
    { name: 'equal widths', imageDim: 4, textDim: 4 },
    { name: 'projections', imageDim: 6, textDim: 3 },
  ])('$name', async (widths) => {
    const { batch, labels } = makeExample({ batch: 6, ...widths });
    const method = createConcatenation({ dim: 4 }, { ...widths, classes: 3 });
    const parameters = method.initialParameters(createRandom(1));
    const run = async (value: number): Promise<unknown> => {
      const example = { method, parameters, labels, batch: fill(batch, value) };
      return [await evaluate(engine, example, {}), await train(example, method.createMemory(), 2)];
    };
    const baseline = await run(0);
    for (const value of FILLINGS) expect(await run(value), String(value)).toEqual(baseline);
  });
});
