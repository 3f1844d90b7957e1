import { Matrix, solve } from 'ml-matrix';
import { expect, it } from 'vitest';
import { createRandom } from '@drf/tensor';
import { conjugateGradients } from './conjugate-gradients.js';

it('solves a system for several right sides, zeros among them', async () => {
  const random = createRandom(1);
  const factor = new Matrix(Array.from({ length: 30 }, () => Array.from({ length: 12 }, () => random.normal())));
  const matrix = factor.transpose().mmul(factor).add(Matrix.eye(12).mul(0.5));
  const rights = [0, 1, 2].map((k) => Float64Array.from({ length: 12 }, () => (k === 1 ? 0 : random.normal())));
  const multiply = async (vectors: readonly Float64Array[]) =>
    vectors.map((vector) => matrix.mmul(Matrix.columnVector([...vector])).to1DArray());
  const solutions = await conjugateGradients(multiply, rights);
  solutions.forEach((solution, k) => {
    const due = solve(matrix, Matrix.columnVector([...(rights[k] as Float64Array)])).to1DArray();
    solution.forEach((value, i) => expect(value).toBeCloseTo(due[i] as number, 5));
  });
});
