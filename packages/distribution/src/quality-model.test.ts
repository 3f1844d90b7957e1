import { describe, expect, it } from 'vitest';
import { createRandom, hostTensor, type HostTensor } from '@drf/tensor';
import { fitLowRankGaussian, QualityModel } from './index.js';

const OPTIONS = { capacity: 32, width: 6, rank: 2 };

function rowsOf(count: number, seed: number): HostTensor {
  const random = createRandom(seed);
  return hostTensor(
    Array.from({ length: count * 6 }, (_, i) => random.normal() * (1 + (i % 6))),
    [count, 6],
  );
}

const all = (count: number): HostTensor => hostTensor(new Float32Array(count).fill(1), [count]);

/** Feeds batches of four rows. */
function feed(model: QualityModel, batches: number, firstSeed = 0): QualityModel {
  for (let i = 0; i < batches; i++) model.enqueue(rowsOf(4, firstSeed + i), all(4));
  return model;
}

describe('QualityModel', () => {
  it('fits when 16 rows have entered, to the older three quarters of the queue', () => {
    const model = feed(new QualityModel(OPTIONS), 3);
    expect(model.ready).toBe(false);
    feed(model, 1, 3);
    expect(model.ready).toBe(true);
    const rows = [0, 1, 2].flatMap((seed) => [...rowsOf(4, seed).data]);
    expect(model.inputs().gaussian).toEqual(fitLowRankGaussian(hostTensor(rows, [12, 6]), 2));
  });

  it('fits anew when the rows have doubled, and at the latest after eight queues full', () => {
    const model = new QualityModel(OPTIONS);
    const fits: number[] = [];
    let last = model.inputs();
    for (let i = 0; i < 300; i++) {
      model.enqueue(rowsOf(4, i), all(4));
      if (model.inputs() !== last) fits.push(4 * (i + 1));
      last = model.inputs();
    }
    expect(fits).toEqual([16, 32, 64, 128, 256, 512, 768, 1024]);
  });

  it('takes in nothing but what is intact, whatever the other rows hold', () => {
    const [clean, mixed] = [new QualityModel(OPTIONS), new QualityModel(OPTIONS)];
    for (let i = 0; i < 10; i++) {
      const rows = rowsOf(4, i);
      const other = hostTensor(Float32Array.from(rows.data), [4, 6]);
      (other.data as Float32Array).fill(Number.NaN, 6, 12);
      clean.enqueue(rows, hostTensor([1, 0, 1, 1], [4]));
      mixed.enqueue(other, hostTensor([1, 0, 1, 1], [4]));
    }
    expect(mixed.state()).toEqual(clean.state());
    expect(mixed.ready).toBe(true);
  });

  it('goes on from its state as if it had not stopped', () => {
    const straight = feed(new QualityModel(OPTIONS), 40);
    const resumed = new QualityModel(OPTIONS);
    resumed.restore(feed(new QualityModel(OPTIONS), 17).state(), 'test');
    feed(resumed, 23, 17);
    expect(resumed.state()).toEqual(straight.state());
    expect(resumed.inputs()).toEqual(straight.inputs());
  });

  it('fits as soon as a queue of fewer than 16 rows has seen 16', () => {
    const model = feed(new QualityModel({ ...OPTIONS, capacity: 5 }), 4);
    expect(model.ready).toBe(true);
  });

  it('caps the rank below the width', () => {
    const model = feed(new QualityModel({ ...OPTIONS, rank: 100 }), 4);
    expect(model.inputs().gaussian.basis.shape).toEqual([6, 5]);
  });

  it('refuses states of other sizes, and encoders of one output', () => {
    const state = feed(new QualityModel(OPTIONS), 9).state();
    expect(() => new QualityModel({ ...OPTIONS, capacity: 16 }).restore(state, 'image quality')).toThrow(
      'image quality expected rows [16, 6] and a basis [6, 2], received rows [32, 6] and a basis [6, 2]',
    );
    expect(() => new QualityModel({ ...OPTIONS, rank: 3 }).restore(state, 'it')).toThrow('a basis [6, 3], received');
    expect(() => new QualityModel(OPTIONS).restore({}, 'it')).toThrow('rows [none]');
    expect(() => new QualityModel({ ...OPTIONS, width: 1 })).toThrow('QualityModel width expected two values or more');
  });
});
