import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { createRandom, flattenTree, hostTensor, mapTree, toTensor, type HostTree, type TensorTree } from '@drf/tensor';
import {
  ADAMW_DEFAULTS,
  adamW,
  biasCorrections,
  initialMoments,
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
    let parameters = mapTree(PARAMETERS, toTensor) as TensorTree;
    let moments = mapTree(initialMoments(PARAMETERS) as unknown as HostTree, toTensor) as unknown as AdamWMoments;
    gradients.forEach((gradient, index) => {
      const corrections = biasCorrections(index + 1, options);
      const slopes = new Map(
        [...flattenTree<tf.Tensor>(parameters)].map(([name, { shape }]) => [
          name,
          tf.tensor(gradient[name] as number[], shape),
        ]),
      );
      const schedule = {
        learningRates: Object.fromEntries(Object.entries(rates).map(([group, rate]) => [group, tf.scalar(rate)])),
        firstCorrection: tf.scalar(corrections.first),
        secondCorrection: tf.scalar(corrections.second),
      };
      ({ parameters, moments } = adamW(parameters, slopes, moments, schedule, options, groupOf));
    });
    return Object.fromEntries(
      [...flattenTree<tf.Tensor>(parameters)].map(([name, leaf]) => [name, [...leaf.dataSync()]]),
    );
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
