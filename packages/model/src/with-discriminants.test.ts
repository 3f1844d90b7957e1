import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import {
  createRandom,
  flattenTree,
  hostScalar,
  hostTensor,
  type Engine,
  type Host,
  type HostTensor,
} from '@drf/tensor';
import { evaluate, makeExample, nested } from './testing/examples.js';
import type { Matrix, Row } from './testing/reference.js';
import {
  createConcatenation,
  putDiscriminants,
  unfittedDiscriminants,
  withDiscriminants,
  type DiscriminantParameters,
} from './index.js';

let engine: Engine;
beforeAll(async () => void (engine = await createEngine('eager:cpu')));
afterAll(() => engine.dispose());

const SHAPES = { imageDim: 6, textDim: 3, classes: 3 };
const plain = createConcatenation({ dim: 4 }, SHAPES);
const method = withDiscriminants(plain, SHAPES);

/** Discriminants of random numbers. */
function fitted(share: number): Host<DiscriminantParameters> {
  const random = createRandom('fitted');
  const filled = Object.fromEntries(
    [...flattenTree<HostTensor>(unfittedDiscriminants(SHAPES))].map(([name, { shape }]) => {
      const size = shape.reduce((product, each) => product * each, 1);
      const stream = random.fork(name);
      return [name, hostTensor(Array.from({ length: size }, () => stream.normal()), shape)]; // prettier-ignore
    }),
  );
  const of = (modality: string) => {
    const one = (part: string) => ({ kernel: filled[`${modality}.${part}.kernel`] as HostTensor, bias: filled[`${modality}.${part}.bias`] as HostTensor }); // prettier-ignore
    return { quality: one('quality'), intact: one('intact'), corrupted: one('corrupted') };
  };
  return { image: of('image'), text: of('text'), logPrior: filled.logPrior as HostTensor, share: hostScalar(share) };
}

const logSoftmax = (row: readonly number[]): number[] => {
  const sum = Math.log(row.reduce((total, value) => total + Math.exp(value), 0));
  return row.map((value) => value - sum);
};

describe('withDiscriminants', () => {
  it('joins both answers by loops in double precision, and says how likely each modality is intact', async () => {
    const share = 0.3;
    const { batch, labels, plain: example } = makeExample({ batch: 9, dim: 4, ...SHAPES });
    const discriminants = fitted(share);
    const parameters = putDiscriminants(method.initialParameters(createRandom(2)), discriminants);
    const own = await evaluate(engine, { method: plain, parameters: plain.initialParameters(createRandom(2)), batch, labels }, {}); // prettier-ignore
    const outputs = await evaluate(engine, { method: { ...method, loss: lossOfPrediction }, parameters, batch, labels }, {}); // prettier-ignore
    const score = (modality: 'image' | 'text', part: 'quality' | 'intact' | 'corrupted', row: Row): number[] => {
      const { kernel, bias } = discriminants[modality][part];
      return (nested(bias) as Row).map((offset, k) => row.reduce((sum, value, i) => sum + value * ((nested(kernel) as Matrix)[i]?.[k] as number), offset)); // prettier-ignore
    };
    const ratios = { image: [] as number[], text: [] as number[] };
    const probabilities = example.inputs.labels.flatMap((_, post) => {
      const scores = nested(discriminants.logPrior) as Row;
      for (const [modality, factor] of [
        ['image', 1],
        ['text', 1.3],
      ] as const) {
        const isThere = example.inputs[`${modality}Available`][post] === 1;
        const row = example.inputs[modality][post] as Row;
        const [ratio] = score(modality, 'quality', row) as [number];
        ratios[modality].push(isThere ? ratio : 0);
        if (!isThere) continue;
        score(modality, ratio > 0 ? 'intact' : 'corrupted', row).forEach((value, k) => (scores[k] = (scores[k] as number) + factor * value)); // prettier-ignore
      }
      const evidence = logSoftmax(scores);
      const answer = logSoftmax((own.get('prediction.logits') ?? []).slice(3 * post, 3 * post + 3));
      return logSoftmax(answer.map((value, k) => (1 - share) * value + share * (evidence[k] as number))).map(Math.exp);
    });
    expect(new Set(ratios.image.map(Math.sign)).size).toBeGreaterThan(2); // both states, and missing
    outputs.get('prediction.probabilities')?.forEach((value, i) => expect(value).toBeCloseTo(probabilities[i] as number, 5)); // prettier-ignore
    for (const modality of ['image', 'text'] as const) {
      const received = outputs.get(`prediction.details.logLikelihoodRatio.${modality}`) ?? [];
      received.forEach((value, post) => expect(value).toBeCloseTo(ratios[modality][post] as number, 4));
    }
  });

  it('changes neither answer nor gradient before it is fitted', async () => {
    const { batch, labels } = makeExample({ batch: 7, dim: 4, ...SHAPES });
    const of = async (each: typeof method) =>
      evaluate(engine, { method: each, parameters: each.initialParameters(createRandom(2)), batch, labels }, {});
    const [before, after] = [await of(plain), await of(method)];
    expect(after.get('total')).toEqual(before.get('total'));
    for (const [name, values] of before) {
      if (name.startsWith('gradients')) expect([name, after.get(name)]).toEqual([name, values]);
    }
    expect(before.size).toBeGreaterThan(8);
  });

  it('lets nothing of a missing modality through, not even NaN', async () => {
    const { batch, labels } = makeExample({ batch: 8, dim: 4, ...SHAPES });
    const parameters = putDiscriminants(method.initialParameters(createRandom(2)), fitted(0.5));
    const spoilt = { ...batch, image: { ...batch.image, features: hostTensor(Float32Array.from(batch.image.features.data), [8, 6]) } }; // prettier-ignore
    batch.image.available.data.forEach((known, post) => {
      if (known === 0) (spoilt.image.features.data as Float32Array).fill(Number.NaN, 6 * post, 6 * post + 6);
    });
    const judged = async (inputs: typeof batch) => (await evaluate(engine, { method: { ...method, loss: lossOfPrediction }, parameters, batch: inputs, labels }, {})).get('prediction.probabilities'); // prettier-ignore
    expect(batch.image.available.data).toContain(0);
    expect(await judged(spoilt)).toEqual(await judged(batch));
  });
});

/** The loss says the prediction of training, without discriminants; this one that of judging. */
const lossOfPrediction: typeof method.loss = (parameters, batch, labels, memory) => ({
  ...plain.loss(parameters as Parameters<typeof plain.loss>[0], batch, labels, memory),
  prediction: method.predict(parameters, batch, memory),
});
