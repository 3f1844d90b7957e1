import { ConfigurationError, UnavailableError } from '@drf/tensor';

function assertDegrees(subject: string, degrees: number): void {
  if (!(degrees >= 1 && Number.isFinite(degrees))) {
    throw new ConfigurationError({ subject, expected: 'at least one degree of freedom', received: String(degrees) });
  }
}

/**
 * P(|T| > |t|) for Student's t with `degrees` of freedom: the p-value of a two-sided t test.
 * I_x(ν/2, 1/2) at x = ν/(ν + t²) (DLMF 8.17).
 * @throws ConfigurationError for less than one degree of freedom
 */
export function studentTwoSided(t: number, degrees: number): number {
  assertDegrees('studentTwoSided', degrees);
  if (!Number.isFinite(t)) return Number.isNaN(t) ? Number.NaN : 0;
  const square = t * t;
  return incompleteBeta(degrees / (degrees + square), degrees / 2, 0.5, square / (degrees + square));
}

/**
 * The t with P(|T| ≤ t) = confidence, which a `confidence` interval takes times the standard error: 12.706 for 95 % and
 * one degree of freedom, toward 1.960 for many. By bisection, to the last digits.
 * @throws ConfigurationError for less than one degree of freedom or a confidence outside 0 … 1
 */
export function studentCritical(confidence: number, degrees: number): number {
  assertDegrees('studentCritical', degrees);
  if (!(confidence >= 0 && confidence < 1)) {
    throw new ConfigurationError({
      subject: 'studentCritical',
      expected: 'a confidence from 0 to below 1',
      received: String(confidence),
    });
  }
  const tail = 1 - confidence;
  let low = 0;
  let high = 1;
  while (studentTwoSided(high, degrees) > tail) [low, high] = [high, high * 2];
  for (;;) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) return middle;
    if (studentTwoSided(middle, degrees) > tail) low = middle;
    else high = middle;
  }
}

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

/** p(x) of a polynomial given from the constant term up. */
function polynomial(coefficients: readonly number[], x: number): number {
  return coefficients.reduceRight((sum, coefficient) => sum * x + coefficient, 0);
}

const CENTER = [
  [
    3.387132872796366608, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125, 45921.953931549871457,
    67265.770927008700853, 33430.575583588128105, 2509.0809287301226727,
  ],
  [
    1, 42.313330701600911252, 687.1870074920579083, 5394.1960214247511077, 21213.794301586595867, 39307.89580009271061,
    28729.085735721942674, 5226.495278852854561,
  ],
] as const;
const MIDDLE = [
  [
    1.42343711074968357734, 4.6303378461565452959, 5.7694972214606914055, 3.64784832476320460504,
    1.27045825245236838258, 0.24178072517745061177, 0.0227238449892691845833, 7.7454501427834140764e-4,
  ],
  [
    1, 2.05319162663775882187, 1.6763848301838038494, 0.68976733498510000455, 0.14810397642748007459,
    0.0151986665636164571966, 5.475938084995344946e-4, 1.05075007164441684324e-9,
  ],
] as const;
const TAIL = [
  [
    6.6579046435011037772, 5.4637849111641143699, 1.7848265399172913358, 0.29656057182850489123,
    0.026532189526576123093, 0.0012426609473880784386, 2.71155556874348757815e-5, 2.01033439929228813265e-7,
  ],
  [
    1, 0.59983220655588793769, 0.13692988092273580531, 0.0148753612908506148525, 7.868691311456132591e-4,
    1.8463183175100546818e-5, 1.4215117583164458887e-7, 2.04426310338993978564e-15,
  ],
] as const;

/**
 * The z with P(|Z| ≤ z) = confidence for a standard normal Z: 1.960 for 95 %. Relative accuracy about 1e-16.
 * Source: Wichura, "Algorithm AS 241: the percentage points of the normal distribution" (Applied Statistics 1988).
 * @param confidence between 0 and 1, checked by the callers
 */
export function normalCritical(confidence: number): number {
  const centered = confidence / 2; // the distance of the quantile's probability from one half
  if (centered <= 0.425) {
    const r = 0.180625 - centered * centered;
    return (centered * polynomial(CENTER[0], r)) / polynomial(CENTER[1], r);
  }
  const r = Math.sqrt(-Math.log((1 - confidence) / 2));
  const [[numerator, denominator], shifted] = r <= 5 ? [MIDDLE, r - 1.6] : [TAIL, r - 5];
  return polynomial(numerator, shifted) / polynomial(denominator, shifted);
}
