import { describe, expect, it } from 'vitest';
import { profileKernels, summarizeProfile } from './bench-kernels.js';

describe('summarizeProfile', () => {
  it('sums by operator, per run, the costliest first', () => {
    const node = (operator: string, dur: number) => ({
      cat: 'Node',
      name: `${operator}_1_kernel_time`,
      dur,
      args: { op_name: operator },
    });
    const run = { cat: 'Session', name: 'model_run', dur: 9 };
    const events = [run, node('Add', 1000), node('Gemm', 4000), run, node('Add', 3000), node('Gemm', 4000)];
    expect(summarizeProfile(events)).toEqual([
      { operator: 'Gemm', calls: 1, milliseconds: 4 },
      { operator: 'Add', calls: 1, milliseconds: 2 },
    ]);
  });

  it('tells operators apart by the shapes of their inputs', () => {
    const product = (rows: number) => ({
      cat: 'Node',
      name: 'Gemm_1_kernel_time',
      dur: rows,
      args: { op_name: 'Gemm', input_type_shape: [{ float: [rows, 8] }, { float: [8, 2] }] },
    });
    const kernels = summarizeProfile([product(16), product(512)], true);
    expect(kernels.map(({ operator }) => operator)).toEqual(['Gemm [512,8] [8,2]', 'Gemm [16,8] [8,2]']);
  });
});

describe('profileKernels', () => {
  it('finds the matrix products of the step', async () => {
    const report = await profileKernels({ batch: 4, dim: 16, queue: 8 }, 2);
    const products = report.kernels.filter(({ operator }) => /Gemm/.test(operator));
    expect(products.length).toBeGreaterThan(0);
    expect(report.sessionMilliseconds).toBeLessThan(report.stepMilliseconds);
  });
});
