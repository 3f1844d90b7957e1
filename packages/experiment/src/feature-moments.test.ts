import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import { createTrainingStep, initialTrainingState, stepSchedule, ADAMW_DEFAULTS } from '@drf/model';
import { createRandom, floatData, hostTensor, type HostTree, type HostTensor } from '@drf/tensor';
import { createMethod, measureFeatures, memoryRows, parseExperiment, type FeatureSet } from './index.js';

const set: FeatureSet = {
  ids: ['a', 'b', 'c'],
  labels: Int32Array.of(0, 1, 0),
  image: memoryRows(hostTensor([1, 10, 3, 10, 0, 0], [3, 2])), // the third image is missing
  text: memoryRows(hostTensor([5, 7, 9], [3, 1])),
  imageAvailable: Float32Array.of(1, 1, 0),
  textAvailable: Float32Array.of(1, 1, 1),
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
    const { imageScaling } = method.initialParameters(createRandom(0)) as { imageScaling: Record<string, HostTensor> };
    expect([...floatData(imageScaling.mean as HostTensor)]).toEqual([2, 10]);
    const [varies, constant] = floatData(imageScaling.scale as HostTensor);
    expect(varies).toBe(1);
    expect(constant).toBeCloseTo(20, 5); // a tenth of the mean deviation 0.5 stands for the deviation 0
  });

  it.each(['eager:cpu', 'compiled'])('leave the scaling as it is while everything else learns, on %s', async (name) => {
    const method = createMethod(config, { ...shapes, standardization: await measureFeatures(set) });
    const engine = await createEngine(name);
    const initial = initialTrainingState(method.initialParameters(createRandom(0)));
    const program = await engine.prepareStep(createTrainingStep(method, ADAMW_DEFAULTS), initial);
    const inputs = {
      batch: {
        image: await set.image.gather([0, 1]),
        text: await set.text.gather([0, 1]),
        imageAvailable: hostTensor([1, 1], [2]),
        textAvailable: hostTensor([1, 1], [2]),
      },
      labels: hostTensor(Int32Array.of(0, 1), [2]),
      memory: method.createMemory().inputs(),
      schedule: stepSchedule(0, 4, { encoder: 1e-3, head: 1e-2, floor: 0 }, ADAMW_DEFAULTS),
    };
    await program.step(inputs);
    const after = (await program.readState()).parameters as HostTree;
    expect(after.imageScaling).toEqual((initial.parameters as HostTree).imageScaling);
    expect(after.textScaling).toEqual((initial.parameters as HostTree).textScaling);
    expect(after.classifier).not.toEqual((initial.parameters as HostTree).classifier);
    await program.dispose();
    await engine.dispose();
  });

  it('need not be measured again where the parameters come from a checkpoint', () => {
    const names = Object.keys(createMethod(config, shapes).initialParameters(createRandom(0)));
    expect(names).toContain('imageScaling');
  });
});
