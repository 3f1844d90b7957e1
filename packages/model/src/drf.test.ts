import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import { WEIGHTING_MODES } from '@drf/fusion';
import { byModality, createRandom, flattenTree, type Engine, type HostTensor, type PerPost } from '@drf/tensor';
import { evaluate, makeExample, relativeError, upload, type Example, type ExampleOptions } from './testing/examples.js';
import {
  createDrf,
  drfConfig,
  drfLoss,
  type BatchInputs,
  type DrfAblations,
  type DrfMemoryInputs,
  type DrfParameters,
} from './index.js';
import { referenceGradients, referenceStep } from './testing/reference.js';

let engine: Engine;
beforeAll(async () => {
  await tf.setBackend('cpu');
  engine = await createEngine('eager:cpu');
});
afterAll(() => engine.dispose());

const SWITCHES = [
  'sampleRecovery',
  'distributionRecovery',
  'gaussianProbability',
  'pairExpansion',
  'distributionConstraint',
] as const;
const ALL_ABLATIONS = Array.from(
  { length: 2 ** SWITCHES.length },
  (_, bits) =>
    Object.fromEntries(SWITCHES.map((name, i) => [name, ((bits >> i) & 1) === 1])) as unknown as DrfAblations,
);

const SHAPES: readonly (ExampleOptions & { name: string })[] = [
  { name: 'equal widths', seed: 1 },
  { name: 'one post, two classes', seed: 2, batch: 1, dim: 3, classes: 2, missing: false },
  { name: 'projections, queues part-filled', seed: 3, imageDim: 6, textDim: 5, capacity: 9, imageRows: 5, textRows: 9 },
  { name: 'hidden layers of other widths', seed: 4, dim: 5, config: { converterHidden: 3, fusionHidden: 7 } },
];

type LossInputs = {
  readonly parameters: DrfParameters;
  readonly batch: BatchInputs;
  readonly labels: PerPost;
  readonly memory: DrfMemoryInputs;
};

/** What `drfLoss` gives, as numbers. */
function ours({ config, parameters, memory, batch, labels }: Example): { [name: string]: number[] } {
  return tf.tidy(() => {
    const given = upload<LossInputs>({ batch, labels, memory: memory.inputs(), parameters });
    const { total, parts, forward, prediction } = drfLoss(
      config,
      given.parameters,
      given.batch,
      given.labels,
      given.memory,
    );
    const { weights, fused, logits } = forward;
    const leaves = flattenTree<tf.Tensor>({
      total,
      parts: parts,
      weights,
      fused,
      logits,
      probabilities: prediction.probabilities,
    });
    return Object.fromEntries([...leaves].map(([name, tensor]) => [name, [...tensor.dataSync()]]));
  });
}

function expected(example: Example): { [name: string]: number[] } {
  const { weighting, ablations, lossScales } = example.config;
  const step = referenceStep(example.plain.inputs, example.plain.parameters, {
    weighting,
    ...ablations,
    scales: lossScales,
  });
  return {
    ...Object.fromEntries(Object.entries(step.parts).map(([name, value]) => [`parts.${name}`, [value]])),
    total: [step.total],
    weights: step.weights.flat(),
    fused: step.fused.flat(),
    logits: step.logits.flat(),
    probabilities: step.probabilities.flat(),
  };
}

function expectAgreement(example: Example): void {
  const [actual, due] = [ours(example), expected(example)];
  expect(Object.keys(actual).sort()).toEqual(Object.keys(due).sort());
  for (const [name, values] of Object.entries(due)) {
    expect(relativeError(actual[name], values), name).toBeLessThan(2e-5);
  }
}

describe('the loss agrees with the equations in double precision', () => {
  describe.each(SHAPES)('$name', (shape) => {
    it.each(WEIGHTING_MODES)('%s, with every combination of the five ablation switches', (weighting) => {
      for (const ablations of ALL_ABLATIONS) {
        expectAgreement(makeExample({ ...shape, config: { ...shape.config, weighting, ablations } }));
      }
    });
  });

  it('with scaled parts', () => {
    const lossScales = { distribution: 0.25, recovery: 3, classification: 2 };
    expectAgreement(makeExample({ config: { lossScales } }));
    const { total, ...parts } = ours(makeExample({ config: { lossScales } }));
    const part = (name: string): number => parts[`parts.${name}`]?.[0] as number;
    const recovery =
      part('sampleImageToText') +
      part('sampleTextToImage') +
      part('distributionImageToText') +
      part('distributionTextToImage');
    expect(total?.[0]).toBeCloseTo(0.25 * part('distribution') + 3 * recovery + 2 * part('classification'), 4);
  });

  it('on many random examples', () => {
    for (let seed = 10; seed < 40; seed++) {
      const random = createRandom(seed);
      const shape = { batch: 1 + random.integer(6), dim: 2 + random.integer(4), classes: 2 + random.integer(4) };
      expectAgreement(makeExample({ seed, ...shape, capacity: 2 + random.integer(6) }));
    }
  });
});

describe('the gradients agree with finite differences in double precision', () => {
  const combinations: readonly (ExampleOptions & { name: string })[] = [
    ...WEIGHTING_MODES.map((weighting) => ({ name: weighting, seed: 5, config: { weighting } })),
    { name: 'projections', seed: 6, imageDim: 5, textDim: 3, capacity: 8, imageRows: 4 },
    {
      name: 'the paper to the letter',
      seed: 9,
      imageDim: 5,
      config: { weighting: 'density', recoveryTargetGradient: true },
    },
    { name: 'unit norm', seed: 10, textDim: 5, config: { featureNorm: 'unit' } },
    { name: 'unit norm without projections', seed: 11, config: { featureNorm: 'unit', recoveryTargetGradient: true } },
    { name: 'scales', seed: 7, config: { lossScales: { distribution: 0.5, recovery: 2, classification: 3 } } },
    ...SWITCHES.map((name, i) => ({
      name: `${name} off`,
      seed: 8,
      config: { ablations: ALL_ABLATIONS[31 - 2 ** i] as DrfAblations },
    })),
  ];

  it.each(combinations)('$name', async (options) => {
    const example = makeExample({ dim: 3, ...options });
    const { weighting, ablations, lossScales, recoveryTargetGradient, featureNorm } = example.config;
    const computed = await evaluate(engine, example, example.memory.inputs());
    const due = referenceGradients(example.plain.inputs, example.plain.parameters, {
      weighting,
      ...ablations,
      targetGradient: recoveryTargetGradient,
      unitNorm: featureNorm === 'unit',
      scales: lossScales,
    });
    expect(due.size).toBe(flattenTree<HostTensor>(example.parameters.trained).size + 2);
    for (const [name, slopes] of due) {
      const key = name === 'image' || name === 'text' ? `gradients.${name}` : `gradients.parameters.${name}`;
      expect(relativeError(computed.get(key), slopes), name).toBeLessThan(1e-4);
    }
  });
});

describe('predict', () => {
  const predictionOf = (example: Example): { logits: number[]; probabilities: number[]; names: string[] } =>
    tf.tidy(() => {
      const { parameters, batch, memory } = upload<Omit<LossInputs, 'labels'>>({
        parameters: example.parameters,
        batch: example.batch,
        memory: example.memory.inputs(),
      });
      const { logits, probabilities, details } = example.method.predict(parameters, batch, memory);
      return {
        logits: [...logits.dataSync()],
        probabilities: [...probabilities.dataSync()],
        names: [...flattenTree<tf.Tensor>(details).keys()],
      };
    });

  it('says what the loss says, without converting the queues', () => {
    const example = makeExample();
    const { logits, probabilities, names } = predictionOf(example);
    expect(relativeError(logits, ours(example).logits as number[])).toBeLessThan(1e-6);
    expect(relativeError(probabilities, ours(example).probabilities as number[])).toBeLessThan(1e-6);
    expect(names).toEqual([
      'features.image',
      'features.recovered.image',
      'features.recovered.text',
      'features.text',
      'fused',
      'logDensity.image',
      'logDensity.recovered.image',
      'logDensity.recovered.text',
      'logDensity.text',
      'std.image',
      'std.text',
      'weights',
    ]);
  });

  it('does not depend on the other posts of the batch', () => {
    const example = makeExample({ batch: 4 });
    const cut = (host: HostTensor): HostTensor => ({
      ...host,
      shape: [1, ...host.shape.slice(1)],
      data: host.data.slice(0, host.data.length / 4),
    });
    const first = byModality((modality) => {
      const { features, available } = example.batch[modality];
      return { features: cut(features), available: cut(available) };
    });
    expect(predictionOf({ ...example, batch: first }).logits).toEqual(predictionOf(example).logits.slice(0, 3));
  });

  it('falls back to the classifier’s bias where both modalities are missing', () => {
    const example = makeExample({ batch: 2 });
    example.batch.image.available.data.fill(0);
    example.batch.text.available.data.fill(0);
    const bias = [...(flattenTree<HostTensor>(example.parameters.trained).get('classifier.bias') as HostTensor).data];
    expect(predictionOf(example).logits).toEqual([...bias, ...bias]);
  });
});

describe('parameters and configuration', () => {
  it('have the shapes of the configuration, and projections only where widths differ', () => {
    const shapesOf = (imageDim: number): string[] =>
      [
        ...flattenTree<HostTensor>(
          createDrf(drfConfig(4, { converterHidden: 3, fusionHidden: 5 }), {
            imageDim,
            textDim: 4,
            classes: 2,
          }).initialParameters(createRandom(1)).trained,
        ),
      ].map(([name, { shape }]) => `${name} ${shape.join('×')}`);
    const shared = [
      'classifier.bias 2',
      'classifier.kernel 4×2',
      'fusion.layer1.bias 5',
      'fusion.layer1.kernel 8×5',
      'fusion.layer2.bias 5',
      'fusion.layer2.kernel 5×5',
      'fusion.layer3.bias 4',
      'fusion.layer3.kernel 5×4',
    ];
    const converters = ['imageToText', 'textToImage'].map((name) => [
      `${name}.hidden.bias 3`,
      `${name}.hidden.kernel 4×3`,
      `${name}.output.bias 4`,
      `${name}.output.kernel 3×4`,
    ]);
    expect(shapesOf(4)).toEqual([...shared, ...converters.flat()]);
    expect(shapesOf(7)).toEqual([
      ...shared,
      'image.projection.bias 4',
      'image.projection.kernel 7×4',
      ...converters.flat(),
    ]);
  });

  it('depend on the seed alone', () => {
    const draw = (seed: number): unknown => makeExample().method.initialParameters(createRandom(seed));
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it('default to the paper to the letter', () => {
    expect(drfConfig(768)).toEqual({
      dim: 768,
      converterHidden: 768,
      fusionHidden: 768,
      fusionLayers: 3,
      queueCapacity: 512,
      weighting: 'density',
      recoveryTargetGradient: true,
      featureNorm: 'none',
      lossScales: { distribution: 1, recovery: 1, classification: 1 },
      exponentLimit: 20,
      ablations: Object.fromEntries(SWITCHES.map((name) => [name, true])),
    });
    expect(drfConfig(8, { queueCapacity: 4 })).toMatchObject({ dim: 8, queueCapacity: 4, fusionHidden: 8 });
  });
});
