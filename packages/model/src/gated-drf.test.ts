import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import {
  byModality,
  createRandom,
  flattenTree,
  hostTensor,
  type Engine,
  type Host,
  type HostTensor,
} from '@drf/tensor';
import { evaluate, relativeError } from './testing/examples.js';
import {
  ADAMW_DEFAULTS,
  createGatedDrf,
  drfConfig,
  prepareTraining,
  stepSchedule,
  type BatchInputs,
  type GatedDrfConfig,
  type Memory,
  type Method,
  type MethodParameters,
} from './index.js';

let engine: Engine;
beforeAll(async () => {
  await tf.setBackend('cpu');
  engine = await createEngine('eager:cpu');
});
afterAll(() => engine.dispose());

const SHAPES = { imageDim: 7, textDim: 5, classes: 3 };
const CONFIG: GatedDrfConfig = {
  ...drfConfig(4, { queueCapacity: 32, weighting: 'normalized', recoveryTargetGradient: false }),
  gaussianRank: 2,
  gateHidden: 3,
  pairSupervision: 1,
};
const without = (name: keyof GatedDrfConfig['ablations']): GatedDrfConfig => ({
  ...CONFIG,
  ablations: { ...CONFIG.ablations, [name]: false },
});

/** Posts; image corrupted ones lie far away. The third of each four lacks its image, the fourth its text. */
function posts(count: number, seed: number, corrupted = 0): { batch: Host<BatchInputs>; labels: HostTensor } {
  const random = createRandom(seed);
  const rows = (width: number, isCorrupted: (post: number) => boolean): HostTensor =>
    hostTensor(
      Array.from({ length: count * width }, (_, i) => (isCorrupted(Math.floor(i / width)) ? 9 : 0) + random.normal()),
      [count, width],
    );
  const flags = (isOne: (post: number) => boolean): HostTensor =>
    hostTensor(
      Array.from({ length: count }, (_, post) => (isOne(post) ? 1 : 0)),
      [count],
    );
  return {
    batch: {
      image: {
        features: rows(SHAPES.imageDim, (post) => post < corrupted),
        available: flags((post) => post % 4 !== 2),
        intact: flags((post) => post % 4 !== 2 && post >= corrupted),
      },
      text: {
        features: rows(SHAPES.textDim, () => false),
        available: flags((post) => post % 4 !== 3),
        intact: flags((post) => post % 4 !== 3),
      },
    },
    labels: hostTensor(
      Int32Array.from({ length: count }, (_, post) => post % SHAPES.classes),
      [count],
    ),
  };
}

async function trained(
  config: GatedDrfConfig,
  steps: number,
  change: (batch: Host<BatchInputs>) => Host<BatchInputs> = (batch) => batch,
  on: Engine = engine,
): Promise<{ parameters: Host<MethodParameters>; memory: Memory; totals: number[] }> {
  const method: Method = createGatedDrf(config, SHAPES);
  const memory = method.createMemory();
  const program = await prepareTraining(on, method, method.initialParameters(createRandom(1)), ADAMW_DEFAULTS);
  const totals: number[] = [];
  for (let step = 0; step < steps; step++) {
    const { batch, labels } = posts(8, step, step % 3);
    const schedule = stepSchedule(step, steps, { encoder: 0, head: 1e-2, floor: 1e-6 }, ADAMW_DEFAULTS);
    const inputs = { batch: change(batch), labels, memory: memory.inputs(), schedule };
    const outputs = await program.learn(inputs);
    memory.update(outputs.observations);
    totals.push(outputs.total.data[0] as number);
  }
  const { parameters } = await program.readState();
  await program.dispose();
  return { parameters, memory, totals };
}

async function outputsOf(config: GatedDrfConfig, steps: number, seed = 100): Promise<Map<string, number[]>> {
  const { parameters, memory } = await trained(config, steps);
  const example = { method: createGatedDrf(config, SHAPES), parameters, ...posts(8, seed, 2) };
  return evaluate(engine, example, memory.inputs());
}

const weightsOf = (outputs: Map<string, number[]>): number[][] => {
  const flat = outputs.get('prediction.details.weights') as number[];
  return Array.from({ length: flat.length / 3 }, (_, post) => flat.slice(3 * post, 3 * post + 3));
};

describe('gated DRF', () => {
  it('weighs existing pairs alike before it has learned, and always to a sum of 1', async () => {
    const fresh = weightsOf(await outputsOf(CONFIG, 0));
    expect(fresh[0]?.map((weight) => Number(weight.toFixed(6)))).toEqual([0.333333, 0.333333, 0.333333]);
    expect(fresh[2]).toEqual([0, 0, 1]); // no image
    expect(fresh[3]).toEqual([0, 1, 0]); // no text
    const learned = weightsOf(await outputsOf(CONFIG, 12));
    for (const weights of learned) expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 5);
    expect(learned[0]?.[0]).not.toBeCloseTo(1 / 3, 3);
  });

  it('adds the pairs’ own losses to the paper’s', async () => {
    const outputs = await outputsOf(CONFIG, 5);
    const loss = (name: string): number => outputs.get(`parts.${name}`)?.[0] as number;
    expect(outputs.get('total')?.[0]).toBeCloseTo(
      loss('distribution') +
        loss('sampleImageToText') +
        loss('sampleTextToImage') +
        loss('distributionImageToText') +
        loss('distributionTextToImage') +
        loss('classification') +
        loss('pairs'),
      4,
    );
  });

  it('knows corrupted images by their density, whatever corruption training saw', async () => {
    const outputs = await outputsOf(CONFIG, 12);
    const quality = outputs.get('prediction.details.logDensity.image') as number[];
    const intact = [3, 4, 5, 7].map((post) => quality[post] as number);
    for (const corrupted of [0, 1]) expect(quality[corrupted]).toBeLessThan(5 * Math.min(...intact));
  });

  it('lets nothing into its memory that is not known to be intact', async () => {
    const { memory } = await trained(CONFIG, 4);
    const rows = flattenTree<HostTensor>(memory.state()).get('image.quality.rows') as HostTensor;
    expect(rows.shape[0]).toBe(4 * 6 - (0 + 1 + 2 + 0)); // eight posts a step, two without image
    expect(Math.max(...rows.data)).toBeLessThan(6);
  });

  it('counts what is available as intact where nothing is known', async () => {
    const bare = (batch: Host<BatchInputs>): Host<BatchInputs> =>
      byModality((modality) => {
        const { features, available } = batch[modality];
        return { features, available };
      });
    const told = (batch: Host<BatchInputs>): Host<BatchInputs> =>
      byModality((modality) => ({ ...batch[modality], intact: batch[modality].available }));
    expect((await trained(CONFIG, 5, bare)).totals).toEqual((await trained(CONFIG, 5, told)).totals);
  });

  it('is not influenced by what stands in a missing modality’s row', async () => {
    const filled =
      (value: number) =>
      (batch: Host<BatchInputs>): Host<BatchInputs> => {
        const fill = ({ data, shape }: HostTensor, { data: available }: HostTensor): HostTensor =>
          hostTensor(
            Float32Array.from(data, (entry, i) =>
              available[Math.floor(i / (shape[1] as number))] === 0 ? value : entry,
            ),
            shape,
          );
        return byModality((modality) => {
          const inputs = batch[modality];
          return { ...inputs, features: fill(inputs.features, inputs.available) };
        });
      };
    for (const config of [CONFIG, without('pairExpansion')]) {
      const baseline = await trained(config, 4, filled(0));
      for (const value of [1e30, Number.NaN, -Infinity]) {
        const other = await trained(config, 4, filled(value));
        expect(other.totals).toEqual(baseline.totals);
        expect(other.parameters).toEqual(baseline.parameters);
        expect(other.memory.state()).toEqual(baseline.memory.state());
      }
    }
  });

  it('has each ablation of the paper', async () => {
    const parts = async (name: keyof GatedDrfConfig['ablations']): Promise<string[]> =>
      [...(await outputsOf(without(name), 3)).keys()].filter((key) => key.startsWith('parts.'));
    expect(await parts('distributionConstraint')).not.toContain('parts.distribution');
    expect(await parts('sampleRecovery')).not.toContain('parts.sampleImageToText');
    expect(await parts('distributionRecovery')).not.toContain('parts.distributionImageToText');
    const equal = weightsOf(await outputsOf(without('gaussianProbability'), 12));
    expect(equal[0]?.map((weight) => Number(weight.toFixed(6)))).toEqual([0.333333, 0.333333, 0.333333]);
    const single = (await outputsOf(without('pairExpansion'), 3)).get('prediction.details.weights');
    expect(single).toEqual(new Array(8).fill(1));
  });

  it('has the gradients of finite differences', async () => {
    const { parameters, memory } = await trained(CONFIG, 6);
    const method = createGatedDrf(CONFIG, SHAPES);
    const { batch, labels } = posts(8, 50, 2);
    const lossAt = async (changed: Host<MethodParameters>): Promise<number> =>
      (await evaluate(engine, { method, parameters: changed, batch, labels }, memory.inputs())).get(
        'total',
      )?.[0] as number;
    const gradients = await evaluate(engine, { method, parameters, batch, labels }, memory.inputs());
    for (const name of ['gate.hidden.kernel', 'gate.output.bias', 'fusion.layer2.bias', 'classifier.bias']) {
      const nudged = (by: number): Host<MethodParameters> => {
        const copy = structuredClone(parameters);
        (flattenTree<HostTensor>(copy.trained).get(name) as { data: Float32Array }).data[0]! += by;
        return copy;
      };
      const slope = ((await lossAt(nudged(1e-3))) - (await lossAt(nudged(-1e-3)))) / 2e-3;
      expect(gradients.get(`gradients.parameters.${name}`)?.[0], name).toBeCloseTo(slope, 2);
    }
  });

  it('gives the same compiled', async () => {
    const compiled = await createEngine('compiled');
    const [eager, onnx] = [await trained(CONFIG, 6), await trained(CONFIG, 6, undefined, compiled)];
    await compiled.dispose();
    expect(relativeError(onnx.totals, eager.totals)).toBeLessThan(1e-5);
  });

  it('goes on from a restored memory as if it had not stopped', async () => {
    const { memory } = await trained(CONFIG, 7);
    const restored = createGatedDrf(CONFIG, SHAPES).createMemory();
    restored.restore(memory.state());
    expect(restored.inputs()).toEqual(memory.inputs());
    expect(() => restored.restore({})).toThrow('this checkpoint belongs to another method');
  });
});
