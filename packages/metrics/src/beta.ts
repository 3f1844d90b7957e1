import { UnavailableError } from '@drf/tensor';

const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** ln Γ(x) for x ≥ 0.5, by Lanczos' approximation (g = 7, nine terms), to about 1e-14. */
export function logGamma(x: number): number {
  const shifted = x - 1;
  const base = shifted + 7.5;
  const series = LANCZOS.reduce((sum, term, i) => sum + (i === 0 ? term : term / (shifted + i)), 0);
  return 0.5 * Math.log(2 * Math.PI) + (shifted + 0.5) * Math.log(base) - base + Math.log(series);
}

const TINY = 1e-300;
const MAXIMUM_TERMS = 100_000;

/** The continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method. */
function continuedFraction(x: number, a: number, b: number): number {
  const guard = (value: number): number => (Math.abs(value) < TINY ? TINY : value);
  let c = 1;
  let d = 1 / guard(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m <= MAXIMUM_TERMS; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / guard(1 + even * d);
    c = guard(1 + even / c);
    fraction *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / guard(1 + odd * d);
    c = guard(1 + odd / c);
    fraction *= d * c;
    if (Math.abs(d * c - 1) < 1e-15) return fraction;
  }
  throw new UnavailableError({
    subject: `Incomplete beta function of (${x}, ${a}, ${b})`,
    expected: 'convergence',
    received: `none after ${MAXIMUM_TERMS} terms`,
  });
}

/**
 * Regularized incomplete beta function I_x(a, b) for a, b ≥ 0.5.
 * @param complement 1 − x, where the caller has it without cancellation
 */
export function incompleteBeta(x: number, a: number, b: number, complement = 1 - x): number {
  if (x <= 0) return 0;
  if (complement <= 0) return 1;
  const logScale = logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log(complement);
  const scale = Math.exp(logScale);
  // the fraction converges fast on this side of the mean; I_x(a, b) = 1 − I_{1−x}(b, a) serves the other
  if (x < (a + 1) / (a + b + 2)) return (scale * continuedFraction(x, a, b)) / a;
  return 1 - (scale * continuedFraction(complement, b, a)) / b;
}
