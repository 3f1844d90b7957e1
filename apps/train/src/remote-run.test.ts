import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { runApp } from '@drf/terminal';
import { pointClientAt, startS3Server, type S3TestServer } from '@drf/storage/testing';
import { createTrainProgram } from './program.js';

let server: S3TestServer;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-remote-run-'));
  server = await startS3Server();
  pointClientAt(server);
  vi.stubEnv('AWS_MAX_ATTEMPTS', '1');
  vi.stubEnv('DRF_CACHE', join(folder, 'cache'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server.close();
  await rm(folder, { recursive: true });
});

async function train(...args: string[]): Promise<{ code: number; output: string; errors: string }> {
  const said = { output: '', errors: '' };
  const out = vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((said.output += String(text)), true));
  const err = vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((said.errors += String(text)), true));
  const before = process.exitCode;
  process.exitCode = undefined;
  try {
    await runApp(createTrainProgram(), [...args, '--cache', join(folder, 'features')]);
    return { code: Number(process.exitCode), ...said };
  } finally {
    process.exitCode = before;
    out.mockRestore();
    err.mockRestore();
  }
}

const keys = (): string[] => [...server.objects.keys()].map((key) => key.slice('bucket/runs/one/'.length)).sort();
const workingFolders = (): Promise<string[]> => readdir(join(folder, 'cache', 'runs')).catch(() => []);
const checkpoint = (step: number): Buffer | undefined =>
  server.objects.get(`bucket/runs/one/checkpoints/step-${step}.safetensors`)?.body;

const ONE = 's3://bucket/runs/one';

describe('a run in object storage', () => {
  it('goes on elsewhere as if it had not stopped', { timeout: 180_000 }, async () => {
    const stopped = await train('quickstart-smoke', '--out', ONE, '--stop-after', '1');
    expect(stopped).toMatchObject({ code: 0, output: expect.stringContaining(`train --resume ${ONE}`) as string });
    expect(stopped.errors).toContain(`Dropped rows, with reasons: ${ONE}/rejected.jsonl`);
    expect(keys()).toContain('checkpoints/step-3.safetensors');
    expect(keys().filter((key) => /lock|\.\d+$/.test(key))).toEqual([]);
    expect(await workingFolders()).toEqual([]);

    const again = await train('quickstart-smoke', '--out', ONE);
    expect(again.code).toBe(1);
    expect(again.errors).toContain(
      `Run ${ONE} expected a place where nothing is, received a run; go on with it by --resume`,
    );

    const resumed = await train('--resume', ONE, '--json');
    expect(JSON.parse(resumed.output)).toMatchObject({ outcome: 'finished', run: ONE, report: `${ONE}/report.html` });
    expect(keys()).toEqual(expect.arrayContaining(['best.json', 'calibration.json', 'config.json', 'README.md']));
    const writes = server.requests.filter(({ method }) => method === 'PUT').map(({ key }) => key);
    expect(writes.lastIndexOf('runs/one/best.json')).toBeGreaterThan(writes.indexOf('runs/one/checkpoints/step-3.safetensors')); // prettier-ignore

    await train('quickstart-smoke', '--out', join(folder, 'local'), '--quiet');
    const local = await readFile(join(folder, 'local', 'checkpoints', 'step-6.safetensors'));
    expect(checkpoint(6)?.equals(local)).toBe(true);
  });

  it('stays on this machine while the storage fails, and is copied later', { timeout: 180_000 }, async () => {
    server.before = ({ method }) => (method === 'PUT' ? { status: 503, code: 'SlowDown' } : undefined);
    const failed = await train('quickstart-smoke', '--out', ONE);
    expect(failed.code).toBe(1);
    expect(failed.errors).toContain(`but not in ${ONE}. Copy it by:`);
    expect(failed.errors).toContain('503 SlowDown');
    expect(keys()).toEqual([]);

    server.before = () => undefined;
    server.requests.length = 0;
    const copied = await train('--resume', ONE, '--quiet');
    expect(copied).toMatchObject({ code: 0, output: expect.stringContaining(`Run:      ${ONE}`) as string });
    const read = server.requests.filter(({ method, query }) => method === 'GET' && !query.has('uploads'));
    expect(read.every(({ query }) => query.has('list-type'))).toBe(true); // nothing is fetched
    expect(checkpoint(6)).toBeDefined();
    expect(await workingFolders()).toEqual([]);
  });

  it('replaces no run without --overwrite, and never anything else', { timeout: 180_000 }, async () => {
    server.objects.set('bucket/runs/one/thesis.txt', { body: Buffer.from('mine'), metadata: {} });
    const other = await train('quickstart-smoke', '--out', ONE, '--overwrite');
    expect(other.errors).toContain("received thesis.txt, which is no run's; choose another --out");
    server.objects.clear();
    server.objects.set('bucket/runs/one/config.json', { body: Buffer.from('{}'), metadata: {} });
    server.objects.set('bucket/runs/one/checkpoints/step-9.safetensors', { body: Buffer.from('old'), metadata: {} });
    const { code } = await train('quickstart-smoke', '--out', ONE, '--overwrite', '--quiet');
    expect([code, checkpoint(9)]).toEqual([0, undefined]);
  });

  it('does not go on where there is none', async () => {
    const { code, errors } = await train('--resume', ONE);
    expect([code, errors]).toEqual([1, expect.stringContaining(`Copying ${ONE} expected a folder with files in it`)]);
  });
});
