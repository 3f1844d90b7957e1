import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { UnavailableError } from '@drf/tensor';
import { checkCollective } from './collective.contract.js';
import { CollectiveError, inProcess, loadMpi, openMpi } from './index.js';
import { hasMpirun } from './testing/index.js';

describe('ranks in one process', () => {
  it.each([1, 2, 5])('keep the contract as %i', async (size) => {
    const ranks = inProcess(size);
    await Promise.all(ranks.map(checkCollective));
    await Promise.all(ranks.map((own) => own.close()));
  });

  it('add in the order of the ranks, to the same bits in each', async () => {
    const values = [1e8, 1, -1e8]; // in float32, (1e8 + 1) − 1e8 is 0
    const buffers = values.map((value) => Float32Array.of(value));
    await Promise.all(inProcess(3).map((own, rank) => own.allReduceSum(buffers[rank] as Float32Array)));
    expect(buffers.map(([sum]) => sum)).toEqual([0, 0, 0]);
  });

  it('refuse to meet over different operations, by name, and never hang then', async () => {
    const [first, second] = inProcess(2);
    const calls = [first?.allReduceSum(new Float32Array(2)), second?.allReduceSum(new Float32Array(3))];
    for (const call of calls) await expect(call).rejects.toThrow(/allReduceSum of 2 floats, received .*3 floats/);
    await expect(first?.barrier()).rejects.toThrow(CollectiveError);
  });

  it('all end when one aborts', async () => {
    const [first, second] = inProcess(2);
    const waiting = first?.barrier();
    second?.abort(3);
    await expect(waiting).rejects.toThrow('rank 1 ended them with code 3');
    await expect(second?.barrier()).rejects.toThrow(CollectiveError);
  });
});

describe('MPI', () => {
  it('says how to start where no launcher did', async () => {
    const started = openMpi({ environment: {} });
    await expect(started).rejects.toThrow(UnavailableError);
    await expect(started).rejects.toThrow(/mpirun -n 4 .* srun --mpi=pmix/);
  });

  it('names the library that cannot be loaded', async () => {
    const loading = loadMpi({ DRF_MPI_LIBRARY: '/absent/libmpi.so' });
    await expect(loading).rejects.toThrow(/\/absent\/libmpi\.so.*DRF_MPI_LIBRARY/);
  });

  it('refuses a library that is not MPI', async () => {
    await expect(loadMpi({ DRF_MPI_LIBRARY: 'libc.so.6' })).rejects.toThrow(/MPI_Get_library_version/);
  });

  describe.skipIf(!hasMpirun())('by mpirun', () => {
    const check = (size: number, ...values: string[]) =>
      new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
        const scripts = ['--conditions=source', '--import', fileURLToPath(new URL('../../../scripts/from-source.mjs', import.meta.url))]; // prettier-ignore
        const program = fileURLToPath(new URL('testing/check-mpi.ts', import.meta.url));
        const launcher = ['--allow-run-as-root', '--oversubscribe', '-n', String(size)];
        execFile('mpirun', [...launcher, process.execPath, ...scripts, program, ...values], (error, stdout, stderr) =>
          resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
        );
      });

    it.each([
      ['whole', '2147483647'],
      ['in pieces', '2'],
    ])('keeps the contract with messages %s', { timeout: 60_000 }, async (_, most) => {
      const { code, stdout, stderr } = await check(3, most);
      expect(stderr).toBe('');
      expect(code).toBe(0);
      expect(stdout.trim().split('\n').sort()).toEqual([0, 1, 2].map((rank) => `rank ${rank} of 3 is content`));
    });

    it('ends all with the code of the rank that aborts', { timeout: 60_000 }, async () => {
      const { code, stderr } = await check(2, '2147483647', 'fail');
      expect(code).toBe(3);
      expect(stderr).toContain('rank 1 has had enough');
    });
  });
});
