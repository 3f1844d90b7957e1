import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import { ADAMW_DEFAULTS, prepareTraining, stepSchedule } from '@drf/model';
import { createRandom, flattenTree, floatData, hostTensor, type HostTensor } from '@drf/tensor';
import { createMethod, gatherBatch, measureFeatures, memoryRows, parseExperiment, type FeatureSet } from './index.js';

const set: FeatureSet = {
  ids: ['a', 'b', 'c'],
  labels: Int32Array.of(0, 1, 0),
  image: {
    rows: memoryRows(hostTensor([1, 10, 3, 10, 0, 0], [3, 2])), // the third image is missing
    available: Float32Array.of(1, 1, 0),
  },
  text: { rows: memoryRows(hostTensor([5, 7, 9], [3, 1])), available: Float32Array.of(1, 1, 1) },
};

describe('measureFeatures', () => {
  it('takes mean and deviation over the posts that have the modality', async () => {
    const { image, text } = await measureFeatures(set);
    expect([...image.mean]).toEqual([2, 10]);
    expect([...image.std]).toEqual([1, 0]);
    expect(text.mean[0]).toBe(7);
    expect(text.std[0]).toBeCloseTo(Math.sqrt(8 / 3), 6);
  });
});

describe('standardized features', () => {
  beforeAll(() => tf.setBackend('cpu'));
  const config = parseExperiment(
    {
      name: 'x',
      method: 'drf-paper',
      dataset: { name: 'embedded' },
      model: { dim: 4, queueCapacity: 4, standardize: true },
    },
    'x',
  );
  const shapes = { imageDim: 2, textDim: 1, classes: 2 };

  it('are scaled by numbers that are part of the parameters, bounded where a feature hardly varies', async () => {
    const method = createMethod(config, { ...shapes, standardization: await measureFeatures(set) });
    const fixed = flattenTree<HostTensor>(method.initialParameters(createRandom(0)).fixed ?? {});
    expect([...floatData(fixed.get('image.scaling.mean') as HostTensor)]).toEqual([2, 10]);
    const [varies, constant] = floatData(fixed.get('image.scaling.scale') as HostTensor);
    expect(varies).toBe(1);
    expect(constant).toBeCloseTo(20, 5); // a tenth of the mean deviation 0.5 stands for the deviation 0
  });

  it.each(['eager:cpu', 'compiled'])('leave the scaling as it is while everything else learns, on %s', async (name) => {
    const method = createMethod(config, { ...shapes, standardization: await measureFeatures(set) });
    const engine = await createEngine(name);
    const initial = method.initialParameters(createRandom(0));
    const program = await prepareTraining(engine, method, initial, ADAMW_DEFAULTS);
    const inputs = {
      ...(await gatherBatch(set, [0, 1])),
      memory: method.createMemory().inputs(),
      schedule: stepSchedule(0, 4, { encoder: 1e-3, head: 1e-2, floor: 0 }, ADAMW_DEFAULTS),
    };
    await program.learn(inputs);
    const after = (await program.readState()).parameters;
    expect(after.fixed).toEqual(initial.fixed);
    expect(after.trained.classifier).not.toEqual(initial.trained.classifier);
    await program.dispose();
    await engine.dispose();
  });

  it('need not be measured again where the parameters come from a checkpoint', () => {
    const { fixed } = createMethod(config, shapes).initialParameters(createRandom(0));
    expect([...flattenTree<HostTensor>(fixed ?? {}).keys()]).toContain('image.scaling.mean');
  });
});
