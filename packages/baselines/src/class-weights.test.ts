import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import {
  createRandom,
  flattenTree,
  hostTensor,
  type Engine,
  type HostTensor,
  type PerPost,
  type TensorTree,
} from '@drf/tensor';
import { EXAMPLE_SHAPES, tokenExample } from './testing/token-examples.js';
import { relativeError } from '@drf/model/testing';
import {
  balancedClassWeights,
  createConcatenation,
  createDrf,
  createGatedDrf,
  drfConfig,
  valueAndGradients,
  withClassWeights,
  type BatchInputs,
  type Method,
  type MethodParameters,
} from '@drf/model';
import { createClmlf, createHsan, createMgnns, createMvan, createMvcn } from './index.js';

const dim = 4;
const METHODS: readonly Method[] = [
  createDrf(drfConfig(dim, { queueCapacity: 8 }), EXAMPLE_SHAPES),
  createGatedDrf({ ...drfConfig(dim, { queueCapacity: 8 }), gaussianRank: 2, gateHidden: 3, pairSupervision: 0.7 }, EXAMPLE_SHAPES),
  createConcatenation({ dim }, EXAMPLE_SHAPES),
  createHsan({ dim }, EXAMPLE_SHAPES),
  createMvan({ dim, hops: 2 }, EXAMPLE_SHAPES),
  createMgnns({ dim, heads: 2, graphs: { words: 8, objects: 4, scenes: 4 } }, EXAMPLE_SHAPES),
  createClmlf({ dim, heads: 2, imageLayers: 1, fusionLayers: 1, contrastiveScale: 0.1, contrastiveTemperature: 0.07, seed: 1 }, EXAMPLE_SHAPES),
  createMvcn({ dim, restraintScale: 0.1, calibration: 0.5 }, EXAMPLE_SHAPES),
]; // prettier-ignore

describe('class weights', () => {
  let engine: Engine;
  beforeAll(async () => {
    await tf.setBackend('cpu');
    engine = await createEngine('eager:cpu');
  });
  afterAll(() => engine.dispose());

  const { batch, labels } = tokenExample({ posts: 6 });

  /** Loss, its classification part, and the gradients of trained parameters. */
  async function outcome(method: Method, weights: readonly number[] | undefined, on = engine) {
    const weighted = weights === undefined ? method : withClassWeights(method, Float32Array.from(weights));
    type Inputs = { batch: BatchInputs; labels: PerPost; memory?: TensorTree; parameters: MethodParameters };
    const program = await on.prepare((_: TensorTree, { batch, labels, memory = {}, parameters }: Inputs) => {
      const { trained, fixed } = parameters;
      const { loss, gradients, auxiliary } = valueAndGradients((own) => {
        const { total, parts } = weighted.loss({ trained: own, fixed }, batch, labels, memory);
        return { loss: total, auxiliary: { classification: parts.classification as tf.Tensor } };
      }, trained);
      return { total: loss, ...auxiliary, gradients };
    }, {});
    const parameters = weighted.initialParameters(createRandom(3));
    const memory = method.createMemory().inputs();
    const outputs = await program.run({ batch, labels, memory, parameters });
    await program.dispose();
    const leaves = [...flattenTree<HostTensor>(outputs)];
    const of = (prefix: string): number[] =>
      leaves.filter(([name]) => name.startsWith(prefix)).flatMap(([, { data }]) => [...data]);
    return { total: of('total'), classification: of('classification'), gradients: of('gradients.') };
  }

  it.each(METHODS.map((method) => [method.id, method] as const))(
    '%s: of 1 change nothing; loss and gradients are the sum over classes, each times its weight',
    async (_, method) => {
      const plain = await outcome(method, undefined);
      expect(await outcome(method, [1, 1, 1])).toEqual(plain);
      const weights = [0.5, 3, 1.25];
      const none = await outcome(method, [0, 0, 0]);
      expect(none.classification[0]).toBeCloseTo(0, 12);
      const alone = [await outcome(method, [1, 0, 0]), await outcome(method, [0, 1, 0]), await outcome(method, [0, 0, 1])];
      const weighted = await outcome(method, weights);
      for (const part of ['total', 'gradients'] as const) {
        const due = none[part].map((base, i) =>
          weights.reduce((sum, weight, c) => sum + weight * ((alone[c]?.[part][i] as number) - base), base),
        );
        expect(relativeError(weighted[part], due), part).toBeLessThan(1e-3);
        expect(relativeError(weighted[part], plain[part]), part).toBeGreaterThan(1e-2);
      }
    },
  ); // prettier-ignore

  it('give the same compiled', async () => {
    const compiled = await createEngine('compiled');
    for (const method of METHODS.slice(0, 3)) {
      const due = await outcome(method, [0.5, 3, 1]);
      const received = await outcome(method, [0.5, 3, 1], compiled);
      expect(relativeError(received.gradients, due.gradients)).toBeLessThan(1e-3);
    }
    await compiled.dispose();
  });

  it('are in the parameters, so in checkpoints, and are not trained', () => {
    const method = withClassWeights(METHODS[0] as Method, Float32Array.of(1, 2, 3));
    const parameters = method.initialParameters(createRandom(1));
    expect(parameters.fixed).toEqual({ classWeights: hostTensor([1, 2, 3], [3]) });
    expect(Object.keys(parameters.trained)).not.toContain('classWeights');
  });
});

describe('balancedClassWeights', () => {
  it('make all classes count the same, and the mean post 1', () => {
    const labels = [0, 0, 0, 0, 0, 0, 1, 1, 3];
    const weights = balancedClassWeights(labels, 4);
    expect([...weights]).toEqual([0.5, 1.5, 1, 3]);
    expect(labels.reduce((sum, label) => sum + (weights[label] as number), 0)).toBe(labels.length);
  });
});
