import { describe, expect, it } from 'vitest';
import { robustnessCurves } from './result.js';
import { syntheticCell } from './testing/synthetic.js';

describe('robustnessCurves', () => {
  it('starts at the clean cell and measures area and loss', () => {
    const cells = [
      syntheticCell('clean', 8),
      syntheticCell('random:1:C+D', 4),
      syntheticCell('random:0.5:C+D', 7),
      syntheticCell('random:0.2:C+D', 7),
      syntheticCell('random:0.5:D', 6),
      syntheticCell('fixed:image:C', 1),
    ];
    const [discarded, both] = robustnessCurves(cells, 'tumemo');
    expect(both?.points.map(({ ratio, accuracy }) => [ratio, accuracy])).toEqual([
      [0, 0.8],
      [0.2, 0.7],
      [0.5, 0.7],
      [1, 0.4],
    ]);
    expect(both?.area).toBeCloseTo(0.635, 12); // 0.2 · 0.75 + 0.3 · 0.7 + 0.5 · 0.55
    expect(both?.drop).toBeCloseTo(0.3, 12); // from dr = 0.2, as the paper counts, not from 0
    expect(both?.paperDrop?.drf).toBeCloseTo(0.065, 12);
    expect(discarded).toMatchObject({ setting: 'D', drop: null, paperDrop: null });
    expect(discarded?.area).toBeCloseTo(0.7, 12);
  });

  it('has one point a ratio, of exact shares where both kinds are there', () => {
    const cells = [
      syntheticCell('clean', 8),
      syntheticCell('random:0.5:D:independent', 4),
      syntheticCell('random:0.5:D', 6),
      syntheticCell('random:1:D:independent', 5),
    ];
    const [curve] = robustnessCurves(cells, 'tumemo');
    expect(curve?.points.map(({ ratio, accuracy }) => [ratio, accuracy])).toEqual([
      [0, 0.8],
      [0.5, 0.6],
      [1, 0.5],
    ]);
  });

  it('needs a modality-random cell', () => {
    expect(robustnessCurves([syntheticCell('clean', 8), syntheticCell('fixed:text:C', 8)], 'tumemo')).toEqual([]);
  });
});
