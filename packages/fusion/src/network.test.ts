import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { LinearParameters } from '@drf/layers';
import {
  createRandom,
  flattenTree,
  mapTree,
  named,
  ShapeMismatchError,
  type HostTensor,
  type Named,
} from '@drf/tensor';
import { toTensor } from '@drf/tensor/transfer';
import { applyFusion, classify, initializeFusion, weightedSum, type FusionParameters } from './index.js';

beforeAll(async () => void (await tf.setBackend('cpu')));

type Pairs = Named<['batch', 'pair', 'both']>;
const pairsOf = (values: number[][][]): Pairs => named(tf.tensor3d(values), ['batch', 'pair', 'both']);
const random = createRandom(9);
const values = Array.from({ length: 3 }, () =>
  Array.from({ length: 3 }, () => Array.from({ length: 4 }, () => Math.fround(random.normal()))),
);

describe('initializeFusion', () => {
  it('has three layers from 2·dim to dim, drawn from the seed alone', () => {
    const host = initializeFusion(createRandom(1), 2, 5);
    const shapes = [...flattenTree<HostTensor>(host)].map(([name, { shape }]) => `${name} ${shape.join('×')}`);
    expect(shapes).toEqual([
      'layer1.bias 5',
      'layer1.kernel 4×5',
      'layer2.bias 5',
      'layer2.kernel 5×5',
      'layer3.bias 2',
      'layer3.kernel 5×2',
    ]);
    expect(initializeFusion(createRandom(1), 2, 5)).toEqual(host);
    expect(initializeFusion(createRandom(2), 2, 5)).not.toEqual(host);
  });
});

describe('applyFusion', () => {
  it('goes from the first layer to the last where there are two', () => {
    const two = initializeFusion(createRandom(1), 2, 5, 2);
    expect(Object.keys(two)).toEqual(['layer1', 'layer3']);
    tf.tidy(() => {
      const parameters = mapTree(two, toTensor) as FusionParameters;
      const { layer1, layer3 } = parameters as { layer1: LinearParameters; layer3: LinearParameters };
      const rows = tf.tensor2d(values.flat());
      const hidden = tf.relu(tf.add(tf.matMul(rows, layer1.kernel), layer1.bias));
      const due = [...tf.add(tf.matMul(hidden, layer3.kernel), layer3.bias).dataSync()];
      const fused = [...applyFusion(parameters, pairsOf(values)).dataSync()];
      fused.forEach((value, i) => expect(value).toBeCloseTo(due[i] as number, 5));
    });
  });

  const host = initializeFusion(createRandom(1), 2, 5);
  const run = (pairs: number[][][]): number[][][] =>
    tf.tidy(() => applyFusion(mapTree(host, toTensor) as FusionParameters, pairsOf(pairs)).arraySync() as number[][][]);

  it('agrees with loops in double precision: linear, relu, linear, relu, linear', () => {
    const flat = flattenTree<HostTensor>(host);
    const layer = (name: string, row: number[]): number[] => {
      const [kernel, bias] = [flat.get(`${name}.kernel`) as HostTensor, flat.get(`${name}.bias`) as HostTensor];
      return [...bias.data].map((start, out) =>
        row.reduce((sum, value, i) => sum + value * (kernel.data[i * bias.data.length + out] as number), start),
      );
    };
    const relu = (row: number[]): number[] => row.map((value) => Math.max(0, value));
    const result = run(values);
    values.forEach((post, p) =>
      post.forEach((pair, q) => {
        const expected = layer('layer3', relu(layer('layer2', relu(layer('layer1', pair)))));
        expected.forEach((value, i) => expect(result[p]?.[q]?.[i]).toBeCloseTo(value, 5));
      }),
    );
  });

  it('is one shared network: each pair alone, whatever its place', () => {
    const [a, b, c] = values as [number[][], number[][], number[][]];
    const [first] = run([a]);
    const [, , moved] = run([b, c, [a[2], a[0], a[1]] as number[][]]);
    expect(moved).toEqual([first?.[2], first?.[0], first?.[1]]);
  });

  it('takes any number of pairs and repeats to the bit', () => {
    const single = values.map((post) => post.slice(0, 1));
    expect(run(single).map((post) => post.length)).toEqual([1, 1, 1]);
    expect(run(values)).toEqual(run(values));
  });

  it('refuses another width', () => {
    expect(() => run([[[1, 2, 3]]])).toThrow(ShapeMismatchError);
    expect(() => run([[[1, 2, 3]]])).toThrow(
      'applyFusion expected [*, *, 4], received [1, 1, 3]; check the feature width',
    );
  });
});

describe('weightedSum', () => {
  it('by hand: Σ weight · F(pair)', () => {
    tf.tidy(() => {
      const weights = named(tf.tensor2d([[0.5, 0.25, 2], [0, 1, 0]]), ['batch', 'pair']); // prettier-ignore
      const fused = named(tf.tensor3d([[[2, 4], [4, 8], [1, -1]], [[9, 9], [5, 6], [9, 9]]]), ['batch', 'pair', 'dim']); // prettier-ignore
      expect(weightedSum(weights, fused).arraySync()).toEqual([[4, 2], [5, 6]]); // prettier-ignore
    });
  });
});

describe('classify', () => {
  it('by hand: M·W + b', () => {
    tf.tidy(() => {
      const parameters = { kernel: tf.tensor2d([[1, 0, 2], [0, 1, 3]]), bias: tf.tensor1d([0.5, 0, -1]) }; // prettier-ignore
      const logits = classify(
        parameters as unknown as LinearParameters,
        named(tf.tensor2d([[2, 5]]), ['batch', 'dim']),
      );
      expect(logits.arraySync()).toEqual([[2.5, 5, 18]]);
    });
  });
});
