import { describe, expect, it } from 'vitest';
import { CheckpointError, hostScalar, hostTensor, type Host } from '@drf/tensor';
import { DrfMemory, type DrfObservations } from './index.js';

const seen = (rows: number[][], admitted: number[]): Host<DrfObservations>['image'] => ({
  features: hostTensor(rows.flat(), [rows.length, 2]),
  admitted: hostTensor(admitted, [rows.length]),
});

const rowsOf = (memory: DrfMemory, modality: 'image' | 'text'): number[] => [...memory.queue(modality).state().rows];

describe('DrfMemory', () => {
  const twoPosts = [[1, 2], [3, 4]]; // prettier-ignore

  it('starts empty and not ready', () => {
    const inputs = new DrfMemory({ capacity: 3, dim: 2 }).inputs();
    expect(inputs.image.rows).toEqual(hostTensor(new Float32Array(6), [3, 2]));
    expect([...inputs.text.rowWeights.data]).toEqual([0, 0, 0]);
    expect(inputs.ready).toEqual(hostScalar(0));
  });

  it('is ready once both queues hold two rows', () => {
    const memory = new DrfMemory({ capacity: 3, dim: 2 });
    memory.update({ image: seen(twoPosts, [1, 1]), text: seen(twoPosts, [1, 0]) });
    expect(memory.inputs().ready.data[0]).toBe(0);
    memory.update({ image: seen(twoPosts, [0, 0]), text: seen(twoPosts, [0, 1]) });
    expect(memory.inputs().ready.data[0]).toBe(1);
  });

  it('enqueues what is admitted, each modality its own, and tells when a queue has been filled', () => {
    const memory = new DrfMemory({ capacity: 2, dim: 2 });
    const filled = (): (number | undefined)[] => {
      const { image, text } = memory.inputs();
      return [image.filledOnce.data[0], text.filledOnce.data[0]];
    };
    memory.update({ image: seen(twoPosts, [1, 1]), text: seen(twoPosts, [0, 1]) });
    expect(rowsOf(memory, 'image')).toEqual([1, 2, 3, 4]);
    expect(rowsOf(memory, 'text')).toEqual([3, 4]);
    expect(filled()).toEqual([1, 0]);
    const next = [[5, 6], [7, 8]]; // prettier-ignore
    memory.update({ image: seen(next, [0, 1]), text: seen(next, [1, 1]) });
    expect(rowsOf(memory, 'image')).toEqual([3, 4, 7, 8]);
    expect(rowsOf(memory, 'text')).toEqual([5, 6, 7, 8]);
    expect(filled()).toEqual([1, 1]);
  });

  it('takes a batch larger than itself', () => {
    const memory = new DrfMemory({ capacity: 1, dim: 2 });
    const batch = seen(twoPosts, [1, 1]);
    memory.update({ image: batch, text: batch });
    expect(rowsOf(memory, 'image')).toEqual([3, 4]);
  });

  it('hands out inputs that later updates do not change', () => {
    const memory = new DrfMemory({ capacity: 2, dim: 2 });
    const before = memory.inputs();
    const batch = seen(twoPosts, [1, 1]);
    memory.update({ image: batch, text: batch });
    expect([...before.image.rows.data]).toEqual([0, 0, 0, 0]);
  });

  it('goes on from its state as if it had not stopped', () => {
    const straight = new DrfMemory({ capacity: 3, dim: 2 });
    const resumed = new DrfMemory({ capacity: 3, dim: 2 });
    for (let step = 0; step < 6; step++) {
      resumed.restore(straight.state());
      const batch = seen([[step, 1], [step, 2]], [1, step % 2]); // prettier-ignore
      for (const memory of [straight, resumed]) memory.update({ image: batch, text: batch });
      expect(resumed.inputs()).toEqual(straight.inputs());
      expect(resumed.state()).toEqual(straight.state());
    }
  });

  it('refuses the state of another method, or of queues of another size', () => {
    const memory = new DrfMemory({ capacity: 2, dim: 2 });
    const batch = seen(twoPosts, [1, 1]);
    memory.update({ image: batch, text: batch });
    expect(() => memory.restore({})).toThrow(CheckpointError);
    expect(() => memory.restore({})).toThrow(
      'DRF memory "image.queue" expected rows and enqueued, received names (none); ' +
        'this checkpoint belongs to another method',
    );
    for (const size of [
      { capacity: 1, dim: 2 },
      { capacity: 2, dim: 3 },
      { capacity: 2, dim: 1 },
    ]) {
      const other = new DrfMemory(size);
      expect(() => other.restore(memory.state())).toThrow(CheckpointError);
      expect(() => other.restore(memory.state())).toThrow(/DRF memory "image.queue" expected .* received \[2, 2\]/);
      expect(other.inputs().ready.data[0]).toBe(0);
    }
  });

  it('refuses damaged rows', () => {
    const memory = new DrfMemory({ capacity: 2, dim: 2 });
    const batch = seen(twoPosts, [1, 1]);
    memory.update({ image: batch, text: batch });
    const state = memory.state();
    const queue = { ...state.image.queue, rows: hostTensor([1, NaN, 3, 4], [2, 2]) };
    expect(() => memory.restore({ ...state, image: { queue } })).toThrow('received NaN');
    expect(rowsOf(memory, 'image')).toEqual([1, 2, 3, 4]);
  });
});
