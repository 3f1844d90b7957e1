import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { named, type Features, type FeatureVector, type PerPost } from '@drf/tensor';
import { boundedExp, DEFAULT_EXPONENT_LIMIT, distributionConstraint } from './index.js';

beforeAll(async () => void (await tf.setBackend('cpu')));

type Case = { image: number[][]; text: number[][]; hasImage: number[]; hasText: number[]; means: [number[], number[]] };

const features = (rows: tf.TensorLike): Features => named(tf.tensor(rows), ['batch', 'dim']);
const perPost = (values: number[]): PerPost => named(tf.tensor1d(values), ['batch']);
const vector = (values: number[]): FeatureVector => named(tf.tensor1d(values), ['dim']);

function lossOf(given: Case, image: Features, text: Features, limit?: number): tf.Tensor {
  const means = { image: vector(given.means[0]), text: vector(given.means[1]) };
  const available = { image: perPost(given.hasImage), text: perPost(given.hasText) };
  return distributionConstraint({ image, text }, available, means, limit);
}

function valueOf(given: Case, limit?: number): number {
  return tf.tidy(() => lossOf(given, features(given.image), features(given.text), limit).dataSync()[0] as number);
}

function gradientsOf(given: Case): { image: number[]; text: number[] } {
  return tf.tidy(() => {
    const run = (image: tf.Tensor, text: tf.Tensor): tf.Tensor => lossOf(given, image as Features, text as Features);
    const [image, text] = tf.grads(run)([tf.tensor2d(given.image), tf.tensor2d(given.text)]) as [tf.Tensor, tf.Tensor];
    return { image: [...image.dataSync()], text: [...text.dataSync()] };
  });
}

/** Eq. 3 in double precision, post by post. */
function slow({ image, text, hasImage, hasText, means: [imageMean, textMean] }: Case): number {
  const distance = (a: number[], b: number[]): number => Math.hypot(...a.map((value, i) => value - (b[i] as number)));
  let total = 0;
  for (let post = 0; post < image.length; post++) {
    const [v, t] = [image[post] as number[], text[post] as number[]];
    if (hasImage[post] === 1) total += Math.exp(distance(v, imageMean) - distance(v, textMean));
    if (hasText[post] === 1) total += Math.exp(distance(t, textMean) - distance(t, imageMean));
  }
  return total / image.length;
}

const value = fc.double({ min: -3, max: 3, noNaN: true }).map(Math.fround);
const vectorOf = (dim: number): fc.Arbitrary<number[]> => fc.array(value, { minLength: dim, maxLength: dim });
const anyCase = fc
  .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 3 }))
  .chain(([batch, dim]): fc.Arbitrary<Case> => {
    const rows = fc.array(vectorOf(dim), { minLength: batch, maxLength: batch });
    const mask = fc.array(fc.constantFrom(0, 1), { minLength: batch, maxLength: batch });
    return fc.record({
      image: rows,
      text: rows,
      hasImage: mask,
      hasText: mask,
      means: fc.tuple(vectorOf(dim), vectorOf(dim)),
    });
  });

describe('distributionConstraint', () => {
  // the image lies 3 from μ_v and 4 from μ_t, the text 1 from μ_t and 2 from μ_v
  const byHand: Case = { image: [[3, 0]], text: [[3, 3]], hasImage: [1], hasText: [1], means: [[3, 3], [3, 4]] }; // prettier-ignore

  it('by hand', () => {
    expect(valueOf(byHand)).toBeCloseTo(Math.exp(3 - 4) + Math.exp(1 - 0), 5);
    expect(valueOf({ ...byHand, hasText: [0] })).toBeCloseTo(Math.exp(-1), 6);
    expect(valueOf({ ...byHand, hasImage: [0] })).toBeCloseTo(Math.E, 6);
    expect(valueOf({ ...byHand, hasImage: [0], hasText: [0] })).toBe(0);
  });

  it('agrees with Eq. 3 in double precision', () => {
    fc.assert(
      fc.property(anyCase, (given) => {
        const expected = slow(given);
        expect(Math.abs(valueOf(given) - expected)).toBeLessThanOrEqual(1e-5 * (1 + expected));
      }),
      { seed: 1 },
    );
  });

  it('has the gradient of Eq. 3, by finite differences', () => {
    const given: Case = {
      image: [[0.5, -1], [2, 0.3]], // prettier-ignore
      text: [[1, 1.5], [-0.7, 2]], // prettier-ignore
      hasImage: [1, 0],
      hasText: [1, 1],
      means: [[0, 0.2], [1, -1]], // prettier-ignore
    };
    const gradients = gradientsOf(given);
    for (const modality of ['image', 'text'] as const) {
      gradients[modality].forEach((slope, i) => {
        const nudged = (by: number): number => {
          const rows = given[modality].map((row, r) => row.map((entry, c) => (r * 2 + c === i ? entry + by : entry)));
          return slow({ ...given, [modality]: rows });
        };
        expect(slope).toBeCloseTo((nudged(1e-6) - nudged(-1e-6)) / 2e-6, 4);
      });
    }
    expect(gradients.image.slice(2)).toEqual([0, 0]); // its image is missing
  });

  it('pulls a feature towards its own mean and away from the other', () => {
    const { image } = gradientsOf({ image: [[1]], text: [[0]], hasImage: [1], hasText: [0], means: [[0], [2]] });
    expect(image[0]).toBeGreaterThan(0); // descending moves it towards 0
  });

  it('is 1 a modality, with gradients of 0, where both means are the same', () => {
    const given: Case = { image: [[1, 2]], text: [[0, 1]], hasImage: [1], hasText: [1], means: [[3, 3], [3, 3]] }; // prettier-ignore
    expect(valueOf(given)).toBe(2);
    const { image, text } = gradientsOf(given);
    [...image, ...text].forEach((slope) => expect(slope).toBeCloseTo(0, 6));
  });

  it('has finite gradients where a feature lies exactly on a mean', () => {
    const given: Case = { image: [[1, 1]], text: [[0, 2]], hasImage: [1], hasText: [1], means: [[1, 1], [0, 2]] }; // prettier-ignore
    const { image, text } = gradientsOf(given);
    expect([...image, ...text].every(Number.isFinite)).toBe(true);
    expect(valueOf(given)).toBeCloseTo(2 * Math.exp(-Math.SQRT2), 6);
  });

  it('neither overflows nor stops pulling where the exponent is 1000', () => {
    const far: Case = { image: [[1000, 0]], text: [[0, 0]], hasImage: [1], hasText: [0], means: [[0, 0], [1000, 0]] }; // prettier-ignore
    const limit = DEFAULT_EXPONENT_LIMIT;
    expect(valueOf(far) / (Math.exp(limit) * (1 + 1000 - limit))).toBeCloseTo(1, 5);
    const { image } = gradientsOf(far);
    expect(image[0]).toBeGreaterThan(0);
    expect(image.every(Number.isFinite)).toBe(true);
  });

  it('repeats to the bit', () => {
    expect(valueOf(byHand)).toBe(valueOf(byHand));
  });
});

describe('boundedExp', () => {
  const evaluate = (exponent: number, limit: number): { value: number; slope: number } =>
    tf.tidy(() => ({
      value: boundedExp(tf.scalar(exponent), limit).dataSync()[0] as number,
      slope: tf
        .grad((x: tf.Tensor) => boundedExp(x, limit))(tf.scalar(exponent))
        .dataSync()[0] as number,
    }));

  it('is exp, with its slope, up to the limit', () => {
    for (const exponent of [-1000, -3, 0, 1, 4.999, 5]) {
      const { value, slope } = evaluate(exponent, 5);
      expect(value).toBeCloseTo(Math.exp(exponent), 4);
      expect(slope).toBeCloseTo(Math.exp(exponent), 4);
    }
  });

  it('goes on as the tangent above it, finite as far as float32 reaches', () => {
    for (const exponent of [5.001, 6, 100, 1000, 1e30]) {
      const { value, slope } = evaluate(exponent, 5);
      expect(value / (Math.exp(5) * (1 + exponent - 5))).toBeCloseTo(1, 5);
      expect(slope).toBeCloseTo(Math.exp(5), 3);
    }
  });

  it('grows without a step or a kink', () => {
    const ascending = fc.tuple(
      fc.double({ min: -5, max: 40, noNaN: true }),
      fc.double({ min: 0.01, max: 5, noNaN: true }),
    );
    fc.assert(
      fc.property(ascending, ([start, by]) => {
        const [below, above] = [evaluate(start, 20), evaluate(start + by, 20)];
        expect(above.value).toBeGreaterThan(below.value);
        expect(above.slope).toBeGreaterThanOrEqual(below.slope);
      }),
      { seed: 2 },
    );
  });
});
