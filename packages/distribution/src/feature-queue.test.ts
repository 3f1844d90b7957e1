import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigurationError, hostTensor, NonFiniteError, ShapeMismatchError, type HostTensor } from '@drf/tensor';
import { FeatureQueue } from './index.js';

const batchOf = (...rows: number[][]): HostTensor => hostTensor(rows.flat(), [rows.length, rows[0]?.length ?? 2]);

/** Rows [n, −n], numbered on from `first`. */
const numbered = (first: number, count: number): HostTensor =>
  hostTensor(Array.from({ length: count }, (_, i) => [first + i, -(first + i)]).flat(), [count, 2]);

/** A mask of rows. */
const mask = (...rows: readonly boolean[]): HostTensor => hostTensor(rows.map(Number), [rows.length]);

const heads = (queue: FeatureQueue): number[] => [...queue.rows().data].filter((_, i) => i % 2 === 0);

describe('FeatureQueue', () => {
  it('is empty at the start', () => {
    const queue = new FeatureQueue({ capacity: 3, dim: 2 });
    expect(queue).toMatchObject({ size: 0, filledOnce: false, ready: false });
    expect(queue.rows()).toEqual(hostTensor(new Float32Array(6), [3, 2]));
    expect([...queue.rowWeights().data]).toEqual([0, 0, 0]);
  });

  it('lays filled rows out oldest first, zeros and weights of 0 after them', () => {
    const queue = new FeatureQueue({ capacity: 4, dim: 2 });
    expect(queue.enqueue(batchOf([1, 2], [3, 4]))).toBe(2);
    expect([...queue.rows().data]).toEqual([1, 2, 3, 4, 0, 0, 0, 0]);
    expect([...queue.rowWeights().data]).toEqual([0.5, 0.5, 0, 0]);
    expect(queue).toMatchObject({ size: 2, filledOnce: false, ready: true });
  });

  it('is ready from two rows on, and filled once capacity rows have entered', () => {
    const queue = new FeatureQueue({ capacity: 3, dim: 2 });
    const seen = [1, 2, 3, 4].map((n) => {
      queue.enqueue(numbered(n, 1));
      return [queue.size, queue.ready, queue.filledOnce];
    });
    expect(seen).toEqual([[1, false, false], [2, true, false], [3, true, true], [3, true, true]]); // prettier-ignore
  });

  it('wraps around: the oldest leave', () => {
    const queue = new FeatureQueue({ capacity: 5, dim: 2 });
    queue.enqueue(numbered(1, 3));
    queue.enqueue(numbered(4, 3));
    expect(heads(queue)).toEqual([2, 3, 4, 5, 6]);
    queue.enqueue(numbered(7, 4));
    expect(heads(queue)).toEqual([6, 7, 8, 9, 10]);
    queue.enqueue(numbered(11, 5));
    expect(heads(queue)).toEqual([11, 12, 13, 14, 15]);
  });

  it('keeps the last rows of a batch larger than itself', () => {
    const queue = new FeatureQueue({ capacity: 3, dim: 2 });
    queue.enqueue(numbered(1, 2));
    expect(queue.enqueue(numbered(3, 8))).toBe(8);
    expect(heads(queue)).toEqual([8, 9, 10]);
    queue.enqueue(numbered(11, 7));
    expect(heads(queue)).toEqual([15, 16, 17]);
  });

  it('takes only admitted rows, in their order', () => {
    const queue = new FeatureQueue({ capacity: 4, dim: 2 });
    expect(queue.enqueue(numbered(1, 5), mask(false, true, true, false, true))).toBe(3);
    expect(heads(queue)).toEqual([2, 3, 5, 0]);
    expect(queue.enqueue(numbered(6, 2), mask(false, false))).toBe(0);
    expect(queue.size).toBe(3);
  });

  it('takes an empty batch', () => {
    const queue = new FeatureQueue({ capacity: 2, dim: 2 });
    expect(queue.enqueue(hostTensor([], [0, 2]))).toBe(0);
  });

  it('holds at any time what a plain list of the last rows holds', () => {
    const batches = fc.array(fc.array(fc.boolean(), { maxLength: 9 }), { maxLength: 12 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), batches, (capacity, decisions) => {
        const queue = new FeatureQueue({ capacity, dim: 2 });
        let list: number[] = [];
        let next = 1;
        for (const accepted of decisions) {
          const numbers = accepted.map(() => next++);
          queue.enqueue(numbered(numbers[0] ?? 0, accepted.length), mask(...accepted));
          list = [...list, ...numbers.filter((_, i) => accepted[i])].slice(-capacity);
          const padding = new Array<number>(capacity - list.length).fill(0);
          expect(heads(queue)).toEqual([...list, ...padding]);
          const weights = [...queue.rowWeights().data];
          expect(weights.filter((weight) => weight > 0).length).toBe(list.length);
          if (list.length > 0) expect(weights.reduce((sum, weight) => sum + weight)).toBeCloseTo(1, 6);
        }
      }),
      { seed: 1 },
    );
  });

  it('gives copies: what was read before does not change, and what was given may', () => {
    const queue = new FeatureQueue({ capacity: 2, dim: 2 });
    const given = numbered(1, 1);
    queue.enqueue(given);
    (given.data as Float32Array).fill(77);
    const before = queue.rows();
    queue.enqueue(numbered(2, 2));
    expect([...before.data]).toEqual([1, -1, 0, 0]); // read before the batch entered: the batch is not in it
    (queue.rows().data as Float32Array).fill(99);
    queue.state().rows.fill(99);
    expect(heads(queue)).toEqual([2, 3]);
  });

  it('goes on from a saved state as if it had not stopped', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 7 }), { maxLength: 8 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), sizes, sizes, (capacity, before, after) => {
        const straight = new FeatureQueue({ capacity, dim: 2 });
        let next = 1;
        const feed = (queues: FeatureQueue[], count: number): void => {
          for (const queue of queues) queue.enqueue(numbered(next, count));
          next += count;
        };
        for (const count of before) feed([straight], count);
        const resumed = FeatureQueue.restore(structuredClone(straight.state()));
        for (const count of [0, ...after]) {
          feed([straight, resumed], count);
          expect(resumed.state()).toEqual(straight.state());
          expect(resumed.rows()).toEqual(straight.rows());
          expect(resumed.rowWeights()).toEqual(straight.rowWeights());
          expect([resumed.size, resumed.filledOnce, resumed.ready]).toEqual([
            straight.size,
            straight.filledOnce,
            straight.ready,
          ]);
        }
      }),
      { seed: 2 },
    );
  });

  it.each([NaN, Infinity, -Infinity])('refuses an admitted row with %d, and then nothing entered', (value) => {
    const queue = new FeatureQueue({ capacity: 4, dim: 2 });
    queue.enqueue(numbered(1, 3));
    const before = queue.state();
    const run = (): number => queue.enqueue(batchOf([5, 5], [6, value], [7, 7]));
    expect(run).toThrow(NonFiniteError);
    expect(run).toThrow(
      `FeatureQueue.enqueue row 1 expected finite numbers, received ${value} at index 1; ` +
        'look for NaN in the features or too large a learning rate',
    );
    expect(queue.state()).toEqual(before);
  });

  it('does not look at rows that are not admitted', () => {
    const queue = new FeatureQueue({ capacity: 2, dim: 2 });
    expect(queue.enqueue(batchOf([NaN, Infinity], [1, 1]), mask(false, true))).toBe(1);
    expect(heads(queue)).toEqual([1, 0]);
  });

  it('refuses features and masks that do not fit', () => {
    const queue = new FeatureQueue({ capacity: 2, dim: 2 });
    expect(() => queue.enqueue(hostTensor([1, 2, 3], [1, 3]))).toThrow(
      "FeatureQueue.enqueue expected [*, 2], received [1, 3]; check the encoder's outputDim",
    );
    expect(() => queue.enqueue(hostTensor([1, 2], [2]))).toThrow(ShapeMismatchError);
    expect(() => queue.enqueue(numbered(1, 2), mask(true))).toThrow(
      'FeatureQueue.enqueue admitted expected [2], received [1]',
    );
    expect(() => queue.enqueue(hostTensor(Int32Array.of(1, 2), [1, 2]))).toThrow('expected float32, received int32');
    expect(queue.size).toBe(0);
  });

  it.each([
    [{ capacity: 0, dim: 2 }, 'FeatureQueue capacity expected a positive whole number, received 0'],
    [{ capacity: 2.5, dim: 2 }, 'FeatureQueue capacity expected a positive whole number, received 2.5'],
    [{ capacity: 2, dim: -1 }, 'FeatureQueue dim expected a positive whole number, received -1'],
    [{ capacity: 2, dim: NaN }, 'FeatureQueue dim expected a positive whole number, received NaN'],
  ])('refuses the sizes %o', (sizes, message) => {
    expect(() => new FeatureQueue(sizes)).toThrow(ConfigurationError);
    expect(() => new FeatureQueue(sizes)).toThrow(message);
  });

  it('refuses a saved state that is not whole', () => {
    const queue = new FeatureQueue({ capacity: 3, dim: 2 });
    queue.enqueue(numbered(1, 5));
    const state = queue.state();
    expect(() => FeatureQueue.restore({ ...state, rows: state.rows.slice(1) })).toThrow(
      'FeatureQueue.restore expected [6], received [5]; the saved state is not whole',
    );
    for (const enqueued of [-1, NaN, 2]) {
      expect(() => FeatureQueue.restore({ ...state, enqueued })).toThrow(ShapeMismatchError);
    }
    expect(() => FeatureQueue.restore({ ...state, rows: state.rows.map(() => NaN) })).toThrow(NonFiniteError);
  });
});
