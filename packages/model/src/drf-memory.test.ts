import { describe, expect, it } from 'vitest';
import { CheckpointError, hostScalar, hostTensor, type HostTensor, type HostTree } from '@drf/tensor';
import { DrfMemory } from './index.js';

const seen = (rows: number[][], available: number[], density: number[], threshold: number): HostTree => ({
  features: hostTensor(rows.flat(), [rows.length, 2]),
  available: hostTensor(available, [rows.length]),
  density: hostTensor(density, [rows.length]),
  threshold: hostScalar(threshold),
});

const rowsOf = (memory: DrfMemory, modality: 'image' | 'text'): number[] => [...memory.queue(modality).state().rows];

describe('DrfMemory', () => {
  const twoPosts = [[1, 2], [3, 4]]; // prettier-ignore

  it('starts empty and not ready', () => {
    const inputs = new DrfMemory({ capacity: 3, dim: 2 }).inputs();
    expect(inputs.imageQueue).toEqual(hostTensor(new Float32Array(6), [3, 2]));
    expect([...inputs.textRowWeights.data]).toEqual([0, 0, 0]);
    expect(inputs.ready).toEqual(hostScalar(0));
  });

  it('is ready once both queues hold two rows', () => {
    const memory = new DrfMemory({ capacity: 3, dim: 2 });
    memory.update({ image: seen(twoPosts, [1, 1], [1, 1], 0), text: seen(twoPosts, [1, 0], [1, 1], 0) });
    expect(memory.inputs().ready.data[0]).toBe(0);
    memory.update({ image: seen(twoPosts, [0, 0], [1, 1], 0), text: seen(twoPosts, [0, 1], [1, 1], 0) });
    expect(memory.inputs().ready.data[0]).toBe(1);
  });

  it('enqueues by Eq. 13, each modality by its own evidence', () => {
    const memory = new DrfMemory({ capacity: 2, dim: 2 });
    const everything = seen(twoPosts, [1, 1], [0, 0], 9); // not full yet: everything enters
    memory.update({ image: everything, text: seen(twoPosts, [0, 1], [0, 0], 9) });
    expect(rowsOf(memory, 'image')).toEqual([1, 2, 3, 4]);
    expect(rowsOf(memory, 'text')).toEqual([3, 4]);
    const next = seen([[5, 6], [7, 8]], [1, 1], [0.2, 0.6], 0.5); // prettier-ignore
    memory.update({ image: next, text: next });
    expect(rowsOf(memory, 'image')).toEqual([3, 4, 7, 8]); // full: only the denser one
    expect(rowsOf(memory, 'text')).toEqual([5, 6, 7, 8]); // was not full: both
  });

  it('decides for a whole batch by the filling before it', () => {
    const memory = new DrfMemory({ capacity: 1, dim: 2 });
    const batch = seen(twoPosts, [1, 1], [0, 0], 9);
    memory.update({ image: batch, text: batch });
    expect(rowsOf(memory, 'image')).toEqual([3, 4]);
  });

  it('hands out inputs that later updates do not change', () => {
    const memory = new DrfMemory({ capacity: 2, dim: 2 });
    const before = memory.inputs();
    const batch = seen(twoPosts, [1, 1], [0, 0], 0);
    memory.update({ image: batch, text: batch });
    expect([...before.imageQueue.data]).toEqual([0, 0, 0, 0]);
  });

  it('goes on from its state as if it had not stopped', () => {
    const straight = new DrfMemory({ capacity: 3, dim: 2 });
    const resumed = new DrfMemory({ capacity: 3, dim: 2 });
    for (let step = 0; step < 6; step++) {
      resumed.restore(straight.state());
      const batch = seen([[step, 1], [step, 2]], [1, step % 2], [0.4, 0.6], 0.5); // prettier-ignore
      for (const memory of [straight, resumed]) memory.update({ image: batch, text: batch });
      expect(resumed.inputs()).toEqual(straight.inputs());
      expect(resumed.state()).toEqual(straight.state());
    }
  });

  it('refuses the state of another method, or of queues of another size', () => {
    const memory = new DrfMemory({ capacity: 2, dim: 2 });
    const batch = seen(twoPosts, [1, 1], [0, 0], 0);
    memory.update({ image: batch, text: batch });
    expect(() => memory.restore({})).toThrow(CheckpointError);
    expect(() => memory.restore({})).toThrow(
      'DRF memory expected "imageQueue" with rows and enqueued, received names (none); ' +
        'this checkpoint belongs to another method',
    );
    for (const size of [
      { capacity: 1, dim: 2 },
      { capacity: 2, dim: 3 },
      { capacity: 2, dim: 1 },
    ]) {
      const other = new DrfMemory(size);
      expect(() => other.restore(memory.state())).toThrow(CheckpointError);
      expect(() => other.restore(memory.state())).toThrow(/DRF memory "imageQueue" expected .* received \[2, 2\]/);
      expect(other.inputs().ready.data[0]).toBe(0);
    }
  });

  it('refuses damaged rows', () => {
    const memory = new DrfMemory({ capacity: 2, dim: 2 });
    const batch = seen(twoPosts, [1, 1], [0, 0], 0);
    memory.update({ image: batch, text: batch });
    const state = memory.state() as { imageQueue: { rows: HostTensor; enqueued: HostTensor }; textQueue: HostTree };
    const rows = hostTensor([1, NaN, 3, 4], [2, 2]);
    expect(() => memory.restore({ ...state, imageQueue: { ...state.imageQueue, rows } })).toThrow('received NaN');
    expect(rowsOf(memory, 'image')).toEqual([1, 2, 3, 4]);
  });
});
