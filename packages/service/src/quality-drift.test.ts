import { describe, expect, it } from 'vitest';
import { QualityDrift } from './quality-drift.js';

describe('QualityDrift', () => {
  const fill = (drift: QualityDrift, count: number, quality: (i: number) => number): void => {
    for (let i = 0; i < count; i++) drift.add(quality(i));
  };

  it('is 0 where each decile has its tenth', () => {
    const drift = new QualityDrift();
    fill(drift, 1_000, (i) => (i + 0.5) / 1_000);
    expect(drift.index).toBeCloseTo(0, 12);
  });

  it('is what its formula gives by hand', () => {
    const drift = new QualityDrift();
    fill(drift, 300, (i) => (i < 200 ? 0.05 : 0.95)); // deciles 1 and 10
    const [low, high, empty] = [200.5 / 305, 100.5 / 305, 0.5 / 305];
    const part = (share: number): number => (share - 0.1) * Math.log(share / 0.1);
    expect(drift.index).toBeCloseTo(part(low) + part(high) + 8 * part(empty), 12);
  });

  it('knows the last 1,000 posts only, and none after another model has taken over', () => {
    const drift = new QualityDrift();
    fill(drift, 199, () => 0);
    expect(drift.index).toBeNull();
    fill(drift, 801, () => 0);
    expect(drift.index).toBeGreaterThan(2);
    fill(drift, 1_000, (i) => (i + 0.5) / 1_000);
    expect(drift.index).toBeCloseTo(0, 12);
    drift.clear();
    expect(drift.index).toBeNull();
  });
});
