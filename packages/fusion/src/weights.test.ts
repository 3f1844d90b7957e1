import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { named, type PerPair, type PerPost } from '@drf/tensor';
import { equalWeights, logPairWeights, pairWeights, WEIGHTING_MODES, type WeightingMode } from './index.js';

beforeAll(async () => void (await tf.setBackend('cpu')));

/** Log relative densities of one post's four features, whether image and text are there, and log(√(2π)·σ) of both. */
interface Given {
  readonly posts: readonly {
    readonly logs: readonly [number, number, number, number];
    readonly has: readonly [number, number];
  }[];
  readonly peaks: readonly [number, number];
}

const existingOf = ({ has: [image, text] }: Given['posts'][number]): [number, number, number] => [
  image * text,
  image,
  text,
];

function weightsOf(given: Given, mode: WeightingMode): number[][] {
  return tf.tidy(() => {
    const column = (i: 0 | 1 | 2 | 3): PerPost => named(tf.tensor1d(given.posts.map(({ logs }) => logs[i])), ['batch']);
    const densities = {
      image: column(0),
      text: column(1),
      recovered: { text: column(2), image: column(3) },
      peak: { image: named(tf.scalar(given.peaks[0]), []), text: named(tf.scalar(given.peaks[1]), []) },
    };
    const existing: PerPair = named(tf.tensor2d(given.posts.map(existingOf)), ['batch', 'pair']);
    return pairWeights(logPairWeights(densities, mode), existing, mode).arraySync() as number[][];
  });
}

/** Eq. 10, 11 and the three modes, post by post in double precision; log space only for `normalized`. */
function slow(given: Given, mode: WeightingMode): number[][] {
  return given.posts.map((post) => {
    const [image, text, recoveredText, recoveredImage] = post.logs;
    const existing = existingOf(post);
    const logs = [image + text, image + recoveredText, recoveredImage + text];
    if (mode === 'relative') return logs.map((log, i) => (existing[i] === 1 ? Math.exp(log) : 0));
    if (mode === 'density') {
      return logs.map((log, i) => (existing[i] === 1 ? Math.exp(log - given.peaks[0] - given.peaks[1]) : 0));
    }
    const largest = Math.max(...logs.filter((_, i) => existing[i] === 1));
    const shares = logs.map((log, i) => (existing[i] === 1 ? Math.exp(log - largest) : 0));
    const sum = shares.reduce((total, share) => total + share, 0);
    return shares.map((share) => (sum === 0 ? 0 : share / sum));
  });
}

const both = [1, 1] as const;

describe('logPairWeights and pairWeights', () => {
  it('by hand, in the order original, image with recovered text, recovered image with text', () => {
    const log = Math.log;
    const given: Given = {
      posts: [{ logs: [log(0.5), log(0.4), log(0.8), log(0.1)], has: both }],
      peaks: [log(2), log(5)],
    };
    const close = (mode: WeightingMode, expected: number[]): void =>
      weightsOf(given, mode)[0]?.forEach((weight, i) => expect(weight).toBeCloseTo(expected[i] as number, 6));
    close('relative', [0.2, 0.4, 0.04]);
    close('density', [0.02, 0.04, 0.004]); // over the peaks' factors 2 and 5
    close('normalized', [0.2 / 0.64, 0.4 / 0.64, 0.04 / 0.64]);
  });

  it.each(WEIGHTING_MODES)('%s gives missing pairs exactly 0', (mode) => {
    const logs = [-1, -2, -3, -0.5] as const;
    const posts = [{ logs, has: [1, 0] }, { logs, has: [0, 1] }, { logs, has: [0, 0] }] as const; // prettier-ignore
    const [imageOnly, textOnly, nothing] = weightsOf({ posts, peaks: [0.3, 0.2] }, mode) as [
      number[],
      number[],
      number[],
    ];
    expect([imageOnly[0], imageOnly[2]]).toEqual([0, 0]);
    expect([textOnly[0], textOnly[1]]).toEqual([0, 0]);
    expect(nothing).toEqual([0, 0, 0]);
    expect(imageOnly[1]).toBeGreaterThan(0);
    expect(textOnly[2]).toBeGreaterThan(0);
  });

  const log = fc.double({ min: -30, max: 0, noNaN: true }).map(Math.fround);
  const anyGiven: fc.Arbitrary<Given> = fc.record({
    posts: fc.array(
      fc.record({
        logs: fc.tuple(log, log, log, log),
        has: fc.constantFrom<readonly [number, number]>([1, 1], [1, 0], [0, 1], [0, 0]),
      }),
      { minLength: 1, maxLength: 5 },
    ),
    peaks: fc.tuple(log, log).map(([a, b]) => [a / 10 + 1, b / 10 + 1] as const),
  });

  it.each(WEIGHTING_MODES)('%s agrees with double precision', (mode) => {
    fc.assert(
      fc.property(anyGiven, (given) => {
        const expected = slow(given, mode);
        weightsOf(given, mode).forEach((row, post) =>
          row.forEach((weight, pair) => {
            const due = expected[post]?.[pair] as number;
            expect(Math.abs(weight - due)).toBeLessThanOrEqual(2e-5 * due + 1e-12);
          }),
        );
      }),
      { seed: 1 },
    );
  });

  it('normalized weights sum to one over the pairs that exist', () => {
    fc.assert(
      fc.property(anyGiven, (given) => {
        weightsOf(given, 'normalized').forEach((row, post) => {
          const exists = (given.posts[post] as Given['posts'][number]).has.includes(1);
          expect(row.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(exists ? 1 : 0, 5);
        });
      }),
      { seed: 2 },
    );
  });

  it('normalized weights do not depend on the peaks', () => {
    fc.assert(
      fc.property(anyGiven, (given) => {
        expect(weightsOf({ ...given, peaks: [9, -4] }, 'normalized')).toEqual(weightsOf(given, 'normalized'));
      }),
      { seed: 3, numRuns: 30 },
    );
  });

  // Densities of e^-1000 are 0 in any floating point format; σ = 0 gives exponents of −1e12 and beyond.
  it.each([-1e3, -1e6, -1e9, -1e12, -1e20, -1e30])('normalized survives log densities around %d: no 0/0', (far) => {
    const posts = [
      { logs: [far, far, far, far], has: both },
      { logs: [far, 2 * far, far, far], has: both },
      { logs: [far, 0, far, 0], has: [1, 0] },
      { logs: [0, far, 0, far], has: [0, 1] },
      { logs: [far, 0, 0, 0], has: [0, 0] },
    ] as const;
    const [alike, oneBest, imageOnly, textOnly, nothing] = weightsOf({ posts, peaks: [0, 0] }, 'normalized');
    alike?.forEach((weight) => expect(weight).toBeCloseTo(1 / 3, 6));
    expect(oneBest).toEqual([0, 1, 0]);
    expect(imageOnly).toEqual([0, 1, 0]);
    expect(textOnly).toEqual([0, 0, 1]);
    expect(nothing).toEqual([0, 0, 0]);
  });

  it('normalized has finite gradients there', () => {
    tf.tidy(() => {
      const existing: PerPair = named(tf.tensor2d([[1, 1, 1], [0, 1, 0], [0, 0, 0]]), ['batch', 'pair']); // prettier-ignore
      const run = (logs: tf.Tensor): tf.Tensor =>
        tf.sum(tf.mul(pairWeights(named(logs, ['batch', 'pair']), existing, 'normalized'), tf.tensor1d([1, 2, 3])));
      const logs = tf.tensor2d([[-1e12, -2e12, -3e20], [-1e30, -1e12, 0], [0, -5, -1e9]]); // prettier-ignore
      expect([...tf.grad(run)(logs).dataSync()].every(Number.isFinite)).toBe(true);
    });
  });

  it('has the gradient of the softmax over existing pairs', () => {
    tf.tidy(() => {
      const existing: PerPair = named(tf.tensor2d([[1, 1, 0]]), ['batch', 'pair']);
      const run = (logs: tf.Tensor): tf.Tensor =>
        tf.sum(tf.mul(pairWeights(named(logs, ['batch', 'pair']), existing, 'normalized'), tf.tensor1d([1, 0, 0])));
      const slopes = [
        ...tf
          .grad(run)(tf.tensor2d([[0, 0, 5]]))
          .dataSync(),
      ];
      [0.25, -0.25, 0].forEach((slope, i) => expect(slopes[i]).toBeCloseTo(slope, 6));
    });
  });

  it('refuses masks of another shape', () => {
    tf.tidy(() => {
      const logs: PerPair = named(tf.zeros([2, 3]), ['batch', 'pair']);
      expect(() => pairWeights(logs, named(tf.ones([3, 2]), ['batch', 'pair']), 'relative')).toThrow(
        'pairWeights existing expected [2, 3], received [3, 2]',
      );
    });
  });

  it('repeats to the bit', () => {
    const given: Given = { posts: [{ logs: [-0.1, -0.7, -3.3, -0.2], has: both }], peaks: [0.1, 0.2] };
    for (const mode of WEIGHTING_MODES) expect(weightsOf(given, mode)).toEqual(weightsOf(given, mode));
  });
});

describe('equalWeights', () => {
  it('shares 1 among the pairs that exist', () => {
    tf.tidy(() => {
      const existing: PerPair = named(tf.tensor2d([[1, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0]]), ['batch', 'pair']); // prettier-ignore
      const third = Math.fround(1 / 3);
      expect(equalWeights(existing).arraySync()).toEqual([[third, third, third], [0, 1, 0], [0, 0, 1], [0, 0, 0]]); // prettier-ignore
    });
  });
});
