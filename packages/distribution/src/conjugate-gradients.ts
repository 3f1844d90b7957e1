/** Relative size of the residual at which a solution is taken. */
const TOLERANCE = 1e-5;
/** More than well-conditioned systems take; what is reached by then is the answer. */
const MOST_ROUNDS = 500;

/**
 * Solves A·x = b for several b at once, A symmetric and positive definite, by conjugate gradients (Hestenes and Stiefel,
 * 1952): A is only multiplied with, which an engine does best.
 * @param multiply A·v of each v
 * @param rights each b; one of zeros has the solution 0
 */
export async function conjugateGradients(
  multiply: (vectors: readonly Float64Array[]) => Promise<readonly ArrayLike<number>[]>,
  rights: readonly Float64Array[],
): Promise<Float64Array[]> {
  const solutions = rights.map(({ length }) => new Float64Array(length));
  const residuals = rights.map((right) => Float64Array.from(right));
  const directions = rights.map((right) => Float64Array.from(right));
  const sizes = rights.map((right) => squared(right));
  const least = sizes.map((size) => TOLERANCE ** 2 * size);
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const open = rights.flatMap((_, k) => ((sizes[k] as number) > (least[k] as number) ? [k] : []));
    if (open.length === 0) break;
    const products = await multiply(directions);
    for (const k of open) {
      const [solution, residual, direction] = [solutions[k], residuals[k], directions[k]] as [Float64Array, Float64Array, Float64Array]; // prettier-ignore
      const product = products[k] as ArrayLike<number>;
      const size = sizes[k] as number;
      let curvature = 0;
      for (let i = 0; i < direction.length; i++) curvature += (direction[i] as number) * (product[i] as number);
      const step = size / curvature;
      for (let i = 0; i < direction.length; i++) {
        solution[i] = (solution[i] as number) + step * (direction[i] as number);
        residual[i] = (residual[i] as number) - step * (product[i] as number);
      }
      sizes[k] = squared(residual);
      const kept = sizes[k] / size;
      for (let i = 0; i < direction.length; i++) {
        direction[i] = (residual[i] as number) + kept * (direction[i] as number);
      }
    }
  }
  return solutions;
}

function squared(vector: Float64Array): number {
  return vector.reduce((sum, value) => sum + value * value, 0);
}
