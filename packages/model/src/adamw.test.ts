import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  ConfigurationError,
  createRandom,
  flattenTree,
  hostTensor,
  mapTree,
  named,
  type HostTensor,
  type HostTree,
  type TensorTree,
} from '@drf/tensor';
import { toTensor } from '@drf/tensor/transfer';
import {
  ADAMW_DEFAULTS,
  adamW,
  biasCorrections,
  clipGlobalNorm,
  cosineLearningRate,
  globalNorm,
  initialMoments,
  stepSchedule,
  valueAndGradients,
  type AdamWMoments,
  type AdamWOptions,
} from './index.js';

beforeAll(async () => void (await tf.setBackend('cpu')));

type Flat = { [name: string]: number[] };

const PARAMETERS: HostTree = {
  encoders: { layer: { kernel: hostTensor([0.5, -1, 2, 0.25], [2, 2]), bias: hostTensor([0.1, -0.2], [2]) } },
  classifier: { kernel: hostTensor([1, -3], [2, 1]), bias: hostTensor([4], [1]) },
};
const NAMES = ['classifier.bias', 'classifier.kernel', 'encoders.layer.bias', 'encoders.layer.kernel'];
const groupOf = (name: string): string => (name.startsWith('encoders') ? 'slow' : 'fast');

/** Loshchilov and Hutter's Algorithm 2 with a loop a number, in double precision. */
function slow(gradients: Flat[], rates: { [group: string]: number }, options: AdamWOptions): Flat {
  const parameters: Flat = Object.fromEntries(
    [...flattenTree(PARAMETERS)].map(([name, leaf]) => [name, [...leaf.data]]),
  );
  const ranks = Object.fromEntries([...flattenTree(PARAMETERS)].map(([name, { shape }]) => [name, shape.length]));
  const first: Flat = {};
  const second: Flat = {};
  gradients.forEach((gradient, index) => {
    for (const name of NAMES) {
      (parameters[name] as number[]).forEach((value, i) => {
        const slope = gradient[name]?.[i] as number;
        const m = options.beta1 * (first[name]?.[i] ?? 0) + (1 - options.beta1) * slope;
        const v = options.beta2 * (second[name]?.[i] ?? 0) + (1 - options.beta2) * slope * slope;
        (first[name] ??= [])[i] = m;
        (second[name] ??= [])[i] = v;
        const unbiased = m / (1 - options.beta1 ** (index + 1));
        const spread = Math.sqrt(v / (1 - options.beta2 ** (index + 1)));
        const decay = ranks[name] === 1 ? 0 : options.weightDecay * value;
        const rate = rates[groupOf(name)] as number;
        (parameters[name] as number[])[i] = value - rate * (unbiased / (spread + options.epsilon) + decay);
      });
    }
  });
  return parameters;
}

function ours(gradients: Flat[], rates: { [group: string]: number }, options: AdamWOptions): Flat {
  return tf.tidy(() => {
    const { encoders, ...others } = PARAMETERS;
    const groups = [[rates['slow'], { encoders }], [rates['fast'], others]] as [number, HostTree][]; // prettier-ignore
    const moved = groups.flatMap(([rate, tree]) => {
      let parameters: TensorTree = mapTree(tree, toTensor);
      const { first, second } = initialMoments(tree);
      let moments: AdamWMoments = { first: mapTree(first, toTensor), second: mapTree(second, toTensor) };
      gradients.forEach((gradient, index) => {
        const corrections = biasCorrections(index + 1, options);
        const slopes = mapTree(parameters, ({ shape }, name) => tf.tensor(gradient[name] as number[], shape));
        const scalar = (value: number) => named(tf.scalar(value), []);
        const schedule = {
          learningRate: scalar(rate),
          firstCorrection: scalar(corrections.first),
          secondCorrection: scalar(corrections.second),
        };
        ({ parameters, moments } = adamW(parameters, slopes, moments, schedule, options));
      });
      return [...flattenTree<tf.Tensor>(parameters)];
    });
    return Object.fromEntries(moved.map(([name, leaf]) => [name, [...leaf.dataSync()]]));
  });
}

function expectClose(actual: Flat, expected: Flat, digits: number): void {
  for (const name of NAMES) {
    actual[name]?.forEach((value, i) => expect(value, name).toBeCloseTo(expected[name]?.[i] as number, digits));
  }
}

const everywhere = (value: number): Flat => ({
  'classifier.bias': [value],
  'classifier.kernel': [value, value],
  'encoders.layer.bias': [value, value],
  'encoders.layer.kernel': [value, value, value, value],
});

describe('adamW', () => {
  it('by hand: the first step moves by the rate against the sign, after decay on matrices', () => {
    const result = ours([everywhere(0.3)], { slow: 0.1, fast: 0.01 }, { ...ADAMW_DEFAULTS, weightDecay: 0.5 });
    expect(result['classifier.bias']?.[0]).toBeCloseTo(4 - 0.01, 6);
    expect(result['classifier.kernel']?.[0]).toBeCloseTo(1 * (1 - 0.01 * 0.5) - 0.01, 6);
    expect(result['encoders.layer.bias']?.[0]).toBeCloseTo(0.1 - 0.1, 6);
    expect(result['encoders.layer.kernel']?.[2]).toBeCloseTo(2 * (1 - 0.1 * 0.5) - 0.1, 6);
  });

  it('agrees with a loop a number in double precision over ten steps', () => {
    const random = createRandom(1);
    const gradients = Array.from({ length: 10 }, (_, step): Flat =>
      Object.fromEntries(
        Object.entries(everywhere(0)).map(([name, zeros]) => [
          name,
          zeros.map(() => Math.fround(random.normal() * 10 ** (step % 4) * 1e-2)),
        ]),
      ),
    );
    for (const options of [ADAMW_DEFAULTS, { beta1: 0.8, beta2: 0.95, epsilon: 1e-3, weightDecay: 0.3 }]) {
      const rates = { slow: 2e-3, fast: 5e-2 };
      expectClose(ours(gradients, rates, options), slow(gradients, rates, options), 5);
    }
  });

  it('with gradients of 0 shrinks matrices and leaves biases exactly as they are', () => {
    const options = { ...ADAMW_DEFAULTS, weightDecay: 0.1 };
    const result = ours(new Array<Flat>(3).fill(everywhere(0)), { slow: 0.5, fast: 0.5 }, options);
    expect(result['classifier.bias']).toEqual([4]);
    expect(result['encoders.layer.bias']).toEqual([Math.fround(0.1), Math.fround(-0.2)]);
    expect(result['classifier.kernel']?.[1]).toBeCloseTo(-3 * 0.95 ** 3, 5);
    expect(result['encoders.layer.kernel']?.[0]).toBeCloseTo(0.5 * 0.95 ** 3, 6);
  });

  it('moves a group whose rate is 0 not at all', () => {
    const result = ours([everywhere(1)], { slow: 0, fast: 0.1 }, ADAMW_DEFAULTS);
    expect(result['encoders.layer.kernel']).toEqual([0.5, -1, 2, 0.25]);
    expect(result['classifier.bias']?.[0]).toBeCloseTo(3.9, 6);
  });

  it('stays finite with tiny and huge gradients', () => {
    for (const slope of [1e-30, 1e18]) {
      const result = ours([everywhere(slope)], { slow: 0.1, fast: 0.1 }, ADAMW_DEFAULTS);
      expect(Object.values(result).flat().every(Number.isFinite)).toBe(true);
    }
  });

  it('repeats to the bit', () => {
    const run = (): Flat => ours([everywhere(0.1), everywhere(-0.7)], { slow: 0.1, fast: 0.2 }, ADAMW_DEFAULTS);
    expect(run()).toEqual(run());
  });
});

describe('biasCorrections', () => {
  it('are exact at step 1 and fade', () => {
    const first = biasCorrections(1, ADAMW_DEFAULTS);
    expect(first.first).toBeCloseTo(10, 10);
    expect(first.second).toBeCloseTo(1000, 8);
    const late = biasCorrections(100_000, ADAMW_DEFAULTS);
    expect([late.first, late.second]).toEqual([1, expect.closeTo(1, 10)]);
  });
});

describe('initialMoments', () => {
  it('are zeros in the shapes of the parameters', () => {
    const { first, second } = initialMoments(PARAMETERS);
    expect(first).toEqual(second);
    const leaves = [...flattenTree(first)];
    expect(leaves.map(([name]) => name)).toEqual(NAMES);
    expect(leaves.every(([, { data }]) => data.every((value) => value === 0))).toBe(true);
    expect(flattenTree(first).get('encoders.layer.kernel')?.shape).toEqual([2, 2]);
  });
});

describe('cosineLearningRate', () => {
  it('by hand: from the peak over the middle to the floor', () => {
    expect(cosineLearningRate(2e-4, 1e-6, 0, 101)).toBeCloseTo(2e-4, 12);
    expect(cosineLearningRate(2e-4, 1e-6, 25, 101)).toBeCloseTo(1e-6 + 1.99e-4 * (0.5 + Math.SQRT2 / 4), 12);
    expect(cosineLearningRate(2e-4, 1e-6, 50, 101)).toBeCloseTo((2e-4 + 1e-6) / 2, 12);
    expect(cosineLearningRate(2e-4, 1e-6, 100, 101)).toBeCloseTo(1e-6, 12);
  });

  it('falls all the way and stays between floor and peak', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 500 }), (totalSteps) => {
        const rates = Array.from({ length: totalSteps }, (_, step) => cosineLearningRate(1, 0.1, step, totalSteps));
        expect(rates.slice(1).every((rate, i) => rate < (rates[i] as number))).toBe(true);
        expect(rates[0]).toBe(1);
        expect(rates.at(-1)).toBeCloseTo(0.1, 12);
      }),
      { seed: 1, numRuns: 30 },
    );
  });

  it('is the peak where there is a single step', () => {
    expect(cosineLearningRate(0.5, 0.1, 0, 1)).toBe(0.5);
  });

  it.each([-1, 10, 11, NaN])('refuses step %d of 10', (step) => {
    expect(() => cosineLearningRate(1, 0, step, 10)).toThrow(ConfigurationError);
    expect(() => cosineLearningRate(1, 0, step, 10)).toThrow(
      `cosineLearningRate expected a step from 0 to 9, received ${step}`,
    );
  });
});

describe('stepSchedule', () => {
  const scalar = (host: HostTensor | undefined): number => host?.data[0] as number;

  it('gives both groups their own cosine, and corrections for the step that is about to be made', () => {
    const schedule = stepSchedule(5, 11, { encoder: 2e-5, head: 2e-4, floor: 1e-6 }, ADAMW_DEFAULTS);
    expect(scalar(schedule.learningRates.encoder)).toBeCloseTo((2e-5 + 1e-6) / 2, 10);
    expect(scalar(schedule.learningRates.head)).toBeCloseTo((2e-4 + 1e-6) / 2, 10);
    expect(scalar(schedule.firstCorrection)).toBeCloseTo(1 / (1 - 0.9 ** 6), 5);
    expect(scalar(schedule.secondCorrection)).toBeCloseTo(1 / (1 - 0.999 ** 6), 3);
  });

  it('never raises a rate that lies below the floor', () => {
    for (const step of [0, 5, 10]) {
      const { learningRates } = stepSchedule(step, 11, { encoder: 0, head: 1e-7, floor: 1e-6 }, ADAMW_DEFAULTS);
      expect(scalar(learningRates.encoder)).toBe(0);
      expect(scalar(learningRates.head)).toBeCloseTo(1e-7, 12);
    }
  });
});

/** 3² + 4² + 12² = 13² */
const slopes = () => ({ matrix: tf.tensor2d([[3], [4]]), bias: tf.tensor1d([12]) });
const valuesOf = (tree: TensorTree, name: string): number[] => [...(tree[name] as tf.Tensor).dataSync()];

describe('clipGlobalNorm', () => {
  it('scales all gradients by one factor, as computed by hand', () => {
    tf.tidy(() => {
      const { gradients: clipped, norm } = clipGlobalNorm(slopes(), 6.5);
      expect(norm.arraySync()).toBeCloseTo(13, 5);
      const [matrix, bias] = ['matrix', 'bias'].map((name) => valuesOf(clipped, name));
      [1.5, 2].forEach((due, i) => expect(matrix?.[i]).toBeCloseTo(due, 5));
      expect(bias?.[0]).toBeCloseTo(6, 5);
    });
  });

  it('leaves gradients below the limit as they are, and those of norm 0', () => {
    tf.tidy(() => {
      const below = clipGlobalNorm(slopes(), 14).gradients;
      expect(valuesOf(below, 'matrix')).toEqual([3, 4]);
      const zero = clipGlobalNorm({ bias: tf.zeros([2]) }, 1);
      expect(valuesOf(zero.gradients, 'bias')).toEqual([0, 0]);
      expect(zero.norm.arraySync()).toBe(0);
    });
  });

  it('never lets the norm exceed the limit', () => {
    tf.tidy(() => {
      for (const limit of [1e-3, 1, 12.9]) {
        const norm = globalNorm(clipGlobalNorm(slopes(), limit).gradients).arraySync() as number;
        expect(norm).toBeLessThanOrEqual(limit * (1 + 1e-6));
        expect(norm).toBeCloseTo(limit, 4);
      }
    });
  });
});

describe('valueAndGradients', () => {
  it('gives value, gradients in the structure of the parameters, and what else the function made', () => {
    const parameters = { inner: { x: tf.tensor1d([1, 2]) }, y: tf.scalar(3) };
    const { loss, gradients, auxiliary } = valueAndGradients(({ inner, y }) => {
      const squares = tf.square(inner.x);
      return { loss: tf.mul(tf.sum(squares), y), auxiliary: { deep: { squares } } };
    }, parameters);
    expect(loss.dataSync()[0]).toBe(15);
    expect([...gradients.inner.x.dataSync()]).toEqual([6, 12]);
    expect([...gradients.y.dataSync()]).toEqual([5]);
    expect([...auxiliary.deep.squares.dataSync()]).toEqual([1, 4]);
    tf.dispose([loss, gradients.inner.x, gradients.y, auxiliary.deep.squares, parameters.inner.x, parameters.y]);
  });

  it('refuses a parameter that the loss does not use', () => {
    tf.tidy(() => {
      const parameters = { used: tf.scalar(2), unused: tf.tensor1d([7, 8]) };
      const run = (): unknown =>
        valueAndGradients(({ used }) => ({ loss: tf.square(used), auxiliary: {} }), parameters);
      expect(run).toThrow('Cannot compute gradient');
    });
  });
});
