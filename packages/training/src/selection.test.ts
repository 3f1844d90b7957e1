import { classificationReport } from '@drf/metrics';
import { describe, expect, it } from 'vitest';
import { describeEpoch, isBetter, type Selected } from './selection.js';

const selected = (score: number, loss: number | null, epoch = 1): Selected => ({ epoch, step: 10 * epoch, score, loss, validation: null }); // prettier-ignore

describe('isBetter', () => {
  it('goes by the score, and between equal scores by the loss', () => {
    expect(isBetter(selected(0.5, 9), undefined)).toBe(true);
    expect(isBetter(selected(0.6, 9), selected(0.5, 1))).toBe(true);
    expect(isBetter(selected(0.4, 0), selected(0.5, 1))).toBe(false);
    expect(isBetter(selected(1, 0.008), selected(1, 0.663))).toBe(true);
    expect(isBetter(selected(1, 0.663), selected(1, 0.008))).toBe(false);
  });

  it('lets the first of epochs alike in both stay', () => {
    expect(isBetter(selected(1, 0.5, 2), selected(1, 0.5, 1))).toBe(false);
    expect(isBetter(selected(1, null, 2), selected(1, null, 1))).toBe(false);
  });

  it('takes the best of an earlier version, which knows no loss, for one that any loss beats', () => {
    const earlier = { epoch: 1, step: 10, score: 1 } as Selected;
    expect(isBetter(selected(1, 0.5), earlier)).toBe(true);
    expect(isBetter(selected(0.9, 0.5), earlier)).toBe(false);
  });
});

describe('describeEpoch', () => {
  const report = classificationReport([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], ['a', 'b']); // prettier-ignore

  it('says how many posts an epoch was validated on', () => {
    const at = { epoch: 3, step: 30 };
    const loss = -(Math.log(0.9) + Math.log(0.8) + Math.log(0.4)) / 3;
    expect(describeEpoch('best-accuracy', report, at)).toEqual({
      ...at,
      score: 2 / 3,
      loss: expect.closeTo(loss, 12),
      validation: {
        posts: 3,
        accuracy: 2 / 3,
        classes: [
          { support: 1, predicted: 2, right: 1 },
          { support: 2, predicted: 1, right: 1 },
        ],
      },
    });
    expect(describeEpoch('best-loss', report, at).score).toBeCloseTo(-loss, 12);
    expect(describeEpoch('last', report, at).score).toBe(3);
    expect(describeEpoch('best-accuracy', undefined, at)).toEqual({ ...at, score: 3, loss: null, validation: null });
  });
});
