import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { balancedClassWeights, withClassWeights, type BatchInputs, type Method, type MethodShapes } from '@drf/model';
import { upload } from '@drf/model/testing';
import { createRandom, hostTensor, mapTree, named, type Host, type HostTensor, type PerPost } from '@drf/tensor';
import { toTensor } from '@drf/tensor/transfer';
import { createLateFusion, createUnimodal } from './unimodal.js';

const SHAPES: MethodShapes = { imageDim: 2, textDim: 2, classes: 2, classCounts: Float32Array.of(5, 2) };
const DIM = 2; // as wide as the features, so that there is no projection

/** Posts with both modalities, image alone, text alone, neither; rows of what is missing hold NaN. */
const BATCH: Host<BatchInputs> = {
  image: { features: hostTensor([2, -1, 2, -1, NaN, NaN, NaN, NaN], [4, 2]), available: hostTensor([1, 1, 0, 0], [4]) },
  text: { features: hostTensor([-4, 3, NaN, NaN, -4, 3, NaN, NaN], [4, 2]), available: hostTensor([1, 0, 1, 0], [4]) },
};
const LABELS = hostTensor(Int32Array.of(0, 0, 1, 1), [4]);

/** Both hidden layers and classifiers hand on what they get, so that logits are relu(features). */
const handOn = (method: Method) => {
  const { trained, fixed } = method.initialParameters(createRandom(1));
  const identity = mapTree(trained, ({ shape }: HostTensor) =>
    hostTensor(shape.length === 2 ? [1, 0, 0, 1] : [0, 0], shape),
  );
  return { trained: identity, ...(fixed === undefined ? {} : { fixed }) };
};

function judge(method: Method, batch = BATCH) {
  return tf.tidy(() => {
    const parameters = upload<Parameters<Method['predict']>[0]>(handOn(method));
    const inputs = upload<BatchInputs>(batch);
    const labels: PerPost = named(toTensor(LABELS), ['batch']);
    const { total, parts } = method.loss(parameters, inputs, labels, {});
    return {
      probabilities: method.predict(parameters, inputs, {}).probabilities.arraySync() as number[][],
      total: total.arraySync(),
      parts: Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, part.arraySync()])),
    };
  });
}

const softmax = (...logits: readonly number[]): number[] => {
  const sum = logits.reduce((all, logit) => all + Math.exp(logit), 0);
  return logits.map((logit) => Math.exp(logit) / sum);
};
const IMAGE = softmax(2, 0);
const TEXT = softmax(0, 3);
const PRIOR = [6 / 9, 3 / 9]; // 5 and 2 posts, and one more of each

function expectRows(rows: readonly (readonly number[])[], due: readonly (readonly number[])[]): void {
  expect(rows).toHaveLength(due.length);
  rows.forEach((row, post) =>
    row.forEach((value, i) => expect(value, `post ${post}`).toBeCloseTo(due[post]?.[i] ?? NaN, 5)),
  );
}

beforeAll(() => tf.setBackend('cpu'));

describe('a method of one modality', () => {
  it('judges by it, and where it is missing by the shares of the classes', () => {
    expectRows(judge(createUnimodal('image', { dim: DIM }, SHAPES)).probabilities, [IMAGE, IMAGE, PRIOR, PRIOR]);
    expectRows(judge(createUnimodal('text', { dim: DIM }, SHAPES)).probabilities, [TEXT, PRIOR, TEXT, PRIOR]);
  });

  it('learns of posts that have it alone, and divides by the number of all', () => {
    const due = (-Math.log(TEXT[0] as number) - Math.log(TEXT[1] as number)) / 4;
    expect(judge(createUnimodal('text', { dim: DIM }, SHAPES)).total).toBeCloseTo(due, 5);
  });

  it('reads standardized features', () => {
    const moments = { mean: Float32Array.of(1, 1), std: Float32Array.of(2, 0.5) };
    const shapes = { ...SHAPES, standardization: { image: moments, text: moments } };
    // (2 − 1) / 2 and (−1 − 1) / 0.5; (−4 − 1) / 2 and (3 − 1) / 0.5; then relu
    expectRows(judge(createUnimodal('image', { dim: DIM }, shapes)).probabilities.slice(0, 1), [softmax(0.5, 0)]);
    expectRows(judge(createUnimodal('text', { dim: DIM }, shapes)).probabilities.slice(0, 1), [softmax(0, 4)]);
    const mean = softmax((0.5 - Math.log(Math.exp(0.5) + 1)) / 2 - Math.log(1 + Math.exp(4)) / 2, -Math.log(Math.exp(0.5) + 1) / 2 + (4 - Math.log(1 + Math.exp(4))) / 2); // prettier-ignore
    expectRows(judge(createLateFusion({ dim: DIM }, shapes)).probabilities.slice(0, 1), [mean]);
  });

  it('counts posts by the weights of their classes in what it answers without it', () => {
    const classWeights = Float32Array.of(1, 3);
    const weighted = withClassWeights(createUnimodal('image', { dim: DIM }, { ...SHAPES, classWeights }), classWeights);
    expectRows(judge(weighted).probabilities.slice(2), [softmax(Math.log(6), Math.log(7)), [6 / 13, 7 / 13]]);
    const balanced = balancedClassWeights([0, 0, 0, 0, 0, 1, 1], 2);
    const even = createLateFusion({ dim: DIM }, { ...SHAPES, classWeights: balanced });
    expectRows(judge(even).probabilities.slice(3), [[0.5, 0.5]]);
  });
});

describe('late fusion', () => {
  it('is the mean of both log-probabilities, one branch where the other is missing, and else the prior', () => {
    const pool = [0, 1].map((own) => Math.sqrt((IMAGE[own] as number) * (TEXT[own] as number)));
    const sum = (pool[0] as number) + (pool[1] as number);
    const mean = pool.map((value) => value / sum);
    expect(mean[1]).toBeCloseTo(1 / (1 + Math.exp(-0.5)), 6); // logits 2 and 3 apart, halved: 0.5
    expectRows(judge(createLateFusion({ dim: DIM }, SHAPES)).probabilities, [mean, IMAGE, TEXT, PRIOR]);
  });

  it('has equal shares for posts without anything where those of training are not known', () => {
    const { imageDim, textDim, classes } = SHAPES;
    expectRows(judge(createLateFusion({ dim: DIM }, { imageDim, textDim, classes })).probabilities.slice(3), [
      [0.5, 0.5],
    ]);
  });

  it('has the losses of both branches, each over the posts that have its modality', () => {
    const { total, parts } = judge(createLateFusion({ dim: DIM }, SHAPES));
    const image = (-2 * Math.log(IMAGE[0] as number)) / 4;
    const text = (-Math.log(TEXT[0] as number) - Math.log(TEXT[1] as number)) / 4;
    expect(parts['image']).toBeCloseTo(image, 5);
    expect(parts['text']).toBeCloseTo(text, 5);
    expect(total).toBeCloseTo(image + text, 5);
  });
});
