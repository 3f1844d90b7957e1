import { describe, expect, it } from 'vitest';
import { incompleteBeta, logGamma, normalCritical, studentCritical, studentTwoSided } from './distributions.js';

const relative = (received: number, expected: number): number => Math.abs(received / expected - 1);

// Values of scipy 1.17.1.
describe('distributions against scipy', () => {
  // scipy.stats.t.ppf((1 + confidence) / 2, degrees)
  it.each([
    [0.5, 1, 1.0000000000000002],
    [0.5, 2, 0.8164965809277261],
    [0.5, 3, 0.7648923284043444],
    [0.5, 4, 0.7406970841126829],
    [0.5, 9, 0.7027221467513264],
    [0.5, 30, 0.6827556933212927],
    [0.5, 449, 0.675036547384605],
    [0.5, 100000, 0.674492203553292],
    [0.95, 1, 12.706204736174694],
    [0.95, 2, 4.302652729749462],
    [0.95, 3, 3.1824463052837078],
    [0.95, 4, 2.7764451051977934],
    [0.95, 9, 2.262157162798205],
    [0.95, 30, 2.0422724563012378],
    [0.95, 449, 1.9652614680903735],
    [0.95, 100000, 1.9599877075346095],
    [0.999, 1, 636.6192487687897],
    [0.999, 2, 31.599054576445365],
    [0.999, 3, 12.923978636687961],
    [0.999, 4, 8.610301581379522],
    [0.999, 9, 4.780912585931217],
    [0.999, 30, 3.6459586350420627],
    [0.999, 449, 3.3123267270213956],
    [0.999, 100000, 3.2906240314119137],
  ])('studentCritical(%d, %d)', (confidence, degrees, expected) => {
    expect(relative(studentCritical(confidence, degrees), expected)).toBeLessThan(1e-10);
  });

  // 2 * scipy.stats.t.sf(t, degrees)
  it.each([
    [0.001, 1, 0.9993633804398159],
    [0.001, 2, 0.9992928933955901],
    [0.001, 5, 0.9992407867721976],
    [0.001, 40, 0.9992070862860574],
    [0.001, 1000, 0.9992023150184528],
    [0.5, 1, 0.7048327646991335],
    [0.5, 2, 0.6666666666666667],
    [0.5, 5, 0.6382988716409291],
    [0.5, 40, 0.6198147352334482],
    [0.5, 1000, 0.6171850808338747],
    [2, 1, 0.2951672353008665],
    [2, 2, 0.18350341907227397],
    [2, 5, 0.10193947882985835],
    [2, 40, 0.05232234321504919],
    [2, 1000, 0.04577034649325166],
    [12.706, 1, 0.05000080235813319],
    [12.706, 2, 0.00613719464261146],
    [12.706, 5, 5.3685966649219286e-5],
    [12.706, 40, 1.2644917498698899e-15],
    [12.706, 1000, 2.13221982429002e-34],
    [300, 1, 0.0021220580484409713],
    [300, 2, 1.1110925929355216e-5],
    [300, 5, 7.809907457922212e-12],
    [300, 40, 1.1240302539347182e-68],
  ])('studentTwoSided(%d, %d)', (t, degrees, expected) => {
    expect(relative(studentTwoSided(t, degrees), expected)).toBeLessThan(1e-10);
    expect(studentTwoSided(-t, degrees)).toBe(studentTwoSided(t, degrees));
  });

  // -scipy.stats.norm.ppf((1 - confidence) / 2); the first, where that cancels, np.sqrt(2) * scipy.special.erfinv(1e-6)
  it.each([
    [1e-6, 1.2533141373158282e-6],
    [0.1, 0.12566134685507402],
    [0.5, 0.6744897501960817],
    [0.8, 1.2815515655446004],
    [0.85, 1.4395314709384557],
    [0.9, 1.6448536269514729],
    [0.95, 1.959963984540054],
    [0.99, 2.5758293035489004],
    [0.999999, 4.8916384756929325],
    [0.999999999999, 7.130509892879273],
  ])('normalCritical(%d)', (confidence, expected) => {
    expect(relative(normalCritical(confidence), expected)).toBeLessThan(1e-14);
  });

  // scipy.special.gammaln(x)
  it.each([
    [0.5, 0.5723649429247],
    [1, 0.0],
    [1.5, -0.12078223763524526],
    [2, 0.0],
    [2.5, 0.2846828704729192],
    [10, 12.801827480081469],
    [225.5, 994.5413438442275],
    [100000.5, 1051293.4654351394],
  ])('logGamma(%d)', (x, expected) => {
    expect(Math.abs(logGamma(x) - expected)).toBeLessThan(1e-13 * Math.max(1, Math.abs(expected)));
  });

  // scipy.special.betainc(a, b, x)
  it.each([
    [0.1, 0.5, 0.5, 0.20483276469913345],
    [0.5, 2, 3.5, 0.7569320439671242],
    [0.9, 10, 0.5, 0.15164090963470994],
    [0.999, 225, 0.5, 0.5024654719394055],
    [0.3, 4, 50, 0.9999869170660473],
  ])('incompleteBeta(%d, %d, %d)', (x, a, b, expected) => {
    expect(relative(incompleteBeta(x, a, b), expected)).toBeLessThan(1e-11);
  });

  it('reaches the ends', () => {
    expect([incompleteBeta(0, 2, 3), incompleteBeta(1, 2, 3)]).toEqual([0, 1]);
    expect([studentTwoSided(0, 3), studentTwoSided(Infinity, 3), studentCritical(0, 3)]).toEqual([1, 0, 0]);
    expect(studentTwoSided(Number.NaN, 3)).toBeNaN();
  });

  it('refuses what has no answer', () => {
    expect(() => studentCritical(0.95, 0)).toThrow(
      'studentCritical expected at least one degree of freedom, received 0',
    );
    expect(() => studentCritical(1, 3)).toThrow('studentCritical expected a confidence from 0 to below 1, received 1');
    expect(() => studentTwoSided(1, Number.NaN)).toThrow('studentTwoSided expected at least one degree');
  });
});
