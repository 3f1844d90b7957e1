// Several processes at one port, a model that is replaced while posts come in, and what is shut down.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdtemp, readFile, rename, rm, symlink, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { exportRun } from '@drf/export';
import { makeEmbeddedRun } from '@drf/export/testing';
import { DEFAULT_LIMITS } from '@drf/service';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { limitsOfOne } from './workers.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/** Built: six processes from source would take minutes to start. */
const PROGRAM = ['apps/serve/dist/main.js'];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-workers-'));
  await chmod(folder, 0o755);
  for (const method of ['drf', 'drf-paper'] as const) {
    const run = await makeEmbeddedRun(join(folder, method), { method, seen: 20 });
    await exportRun(run.path, { out: join(folder, `${method}-exported`) });
  }
  await cp(join(folder, 'drf-exported'), join(folder, 'half-exported'), { recursive: true });
  await truncate(join(folder, 'half-exported', 'model.onnx'), 1000);
}, 240_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Running {
  readonly pid: number;
  readonly address: string;
  readonly heard: { out: string; err: string };
  readonly over: Promise<number | null>;
}

async function start(args: readonly string[], as: object = {}): Promise<Running> {
  const child = spawn(process.execPath, [...PROGRAM, ...args, '--port', '0', '--no-page'], { cwd: ROOT, ...as });
  onTestFinished(() => void child.kill('SIGKILL'));
  const heard = { out: '', err: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => void (heard.out += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => void (heard.err += text));
  const over = once(child, 'close').then(() => child.exitCode);
  const listening = /Listening on (\S+?) \(no page\)\. /;
  while (child.exitCode === null && !listening.test(heard.err)) await wait(20);
  return { pid: child.pid as number, address: listening.exec(heard.err)?.[1] ?? '', heard, over };
}

const version = async (name: string): Promise<string> => {
  const card = JSON.parse(await readFile(join(folder, name, 'card.json'), 'utf8')) as { files: Record<string, { sha256: string }> }; // prettier-ignore
  return (card.files['model.onnx']?.sha256 ?? '').slice(0, 12);
};

async function metricsOf({ address }: Running): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`${address}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))])); // prettier-ignore
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await wait(100);
}

/** Asks without end, by new connections and by kept ones, until it is told to stop; answers by what they were. */
function askingWithoutEnd({ address }: Running, clients = 4) {
  const answers = new Map<string, number>();
  let ended = false;
  const client = async (number: number): Promise<void> => {
    const headers = { 'content-type': 'application/json', ...(number % 2 === 0 ? { connection: 'close' } : {}) };
    for (let i = 0; !ended; i++) {
      const body = JSON.stringify({ text: `post ${number} ${i}` });
      const response = await fetch(`${address}/v1/predict`, { method: 'POST', headers, body }).catch(() => null);
      const answer = response === null ? 'lost' : `${response.status} ${((await response.json()) as { model: { version: string } }).model.version}`; // prettier-ignore
      answers.set(answer, (answers.get(answer) ?? 0) + 1);
    }
  };
  const all = Promise.all(Array.from({ length: clients }, (_, i) => client(i)));
  const stop = async (): Promise<ReadonlyMap<string, number>> => {
    ended = true;
    await all;
    return answers;
  };
  return { answers, stop };
}

async function lead(link: string, to: string): Promise<void> {
  await symlink(to, `${link}-next`);
  await rename(`${link}-next`, link);
}

describe('limits of one of several workers', () => {
  it('are its part of the whole, and never less than a request needs', () => {
    const { totalBodyBytes, waitingPosts, connections, bodyBytes, batchPosts } = DEFAULT_LIMITS;
    expect(limitsOfOne(undefined, 4)).toEqual({ ...DEFAULT_LIMITS, explanations: 1, totalBodyBytes: totalBodyBytes / 4, waitingPosts: waitingPosts / 4, connections: connections / 4 }); // prettier-ignore
    expect(limitsOfOne({}, 64)).toMatchObject({ totalBodyBytes: bodyBytes, waitingPosts: batchPosts });
    expect(limitsOfOne({ waitingPosts: 3 }, 2)).toMatchObject({ waitingPosts: 3 });
  });
});

describe('pnpm serve --workers 2 --watch', { timeout: 400_000 }, () => {
  it('is one service: one model after the other, no request lost, one set of metrics, one end', async () => {
    const link = join(folder, 'current');
    await symlink('drf-exported', link);
    const service = await start([link, '--workers', '2', '--watch', '--model-name', 'mood']);
    const value = async (name: string): Promise<number> => (await metricsOf(service)).get(name) ?? 0;
    await until(async () => (await value('drf_judge_ready')) === 2);

    // another model takes over
    const [before, after] = [await version('drf-exported'), await version('drf-paper-exported')];
    const asking = askingWithoutEnd(service);
    await until(() => (asking.answers.get(`200 ${before}`) ?? 0) > 20);
    await lead(link, 'drf-paper-exported');
    await until(async () => (await value('drf_reloads_total{result="switched"}')) === 2);
    const afterSwitch = asking.answers.get(`200 ${after}`) ?? 0;
    await until(() => (asking.answers.get(`200 ${after}`) ?? 0) > afterSwitch + 20);

    // half a folder does not
    await lead(link, 'half-exported');
    await until(async () => (await value('drf_reload_failed')) === 1);
    const answers = await asking.stop();
    expect([...answers.keys()].sort()).toEqual([`200 ${before}`, `200 ${after}`].sort());
    expect(service.heard.out).toMatch(/"level":"error".*received 1000 bytes.*could not be opened anew/);
    const sent = [...answers.values()].reduce((sum, count) => sum + count, 0);
    const counted = 'drf_requests_total{route="/v1/predict",method="POST",status="200"}';
    await until(async () => (await value(counted)) === sent); // by both, whoever is asked
    const names = [...(await metricsOf(service)).keys()];
    expect(names.filter((name) => name.startsWith('drf_model_info'))).toEqual([expect.stringContaining(`name="mood",version="${after}"`)]); // prettier-ignore

    // a worker that ends is replaced, by what is there then; what it had counted stays counted
    await lead(link, 'drf-exported');
    await until(async () => (await value('drf_reloads_total{result="switched"}')) === 4);
    const worker = /"worker":2,"pid":(\d+)/.exec(service.heard.out)?.[1];
    process.kill(Number(worker), 'SIGKILL');
    const isReplaced = async (): Promise<boolean> => (await value('drf_worker_restarts')) === 1;
    await until(() => isReplaced().catch(() => false)); // that connection may have been the worker's
    await until(async () => (await value('drf_judge_ready')) === 2);
    expect(await value(counted)).toBe(sent);
    expect(service.heard.out).toMatch(/"worker":2,"how":"SIGKILL","restartInMilliseconds":0,"msg":"a worker ended"/);

    process.kill(service.pid, 'SIGTERM');
    expect([await service.over, service.heard.err]).toEqual([0, expect.stringMatching(/Ended\.\n$/)]);
    expect(service.heard.out.match(/"worker":\d,"msg":"ended"/g)).toHaveLength(2);
    expect(service.heard.out).toMatch(/Z","msg":"ended"\}\n$/);
  });

  it('says what is wrong once, and ends with 1', async () => {
    const service = await start([join(folder, 'half-exported'), '--workers', '2']);
    expect(await service.over).toBe(1);
    expect(service.heard.err).toMatch(/^error: \S+model.onnx expected the \d+ bytes .*, received 1000 bytes; .*\n$/m);
    expect(service.heard.err).not.toMatch(/bug/);
  });
});

const isRoot = process.getuid?.() === 0;

describe('as another user, in a folder of others', { timeout: 240_000 }, () => {
  // NOBODY may write nowhere here: neither the installation nor the model's folder
  const NOBODY = 65_534;

  it.skipIf(!isRoot)('writes nothing, opens the model anew by SIGHUP, and ends (skipped unless root, who may be another)', async () => {
    const environment = { PATH: process.env['PATH'], HOME: '/nonexistent', TMPDIR: '/nonexistent' };
    const service = await start([join(folder, 'drf-exported')], { uid: NOBODY, gid: NOBODY, env: environment });
    const answer = await fetch(`${service.address}/v1/predict`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"text":"a"}' });
    expect(answer.status).toBe(200);
    process.kill(service.pid, 'SIGHUP');
    await until(() => service.heard.out.includes('the model was opened anew'));
    process.kill(service.pid, 'SIGTERM');
    expect([await service.over, service.heard.err]).toEqual([0, expect.stringMatching(/^Listening [^]*Ended\.\n$/m)]);
    expect(service.heard.err).not.toMatch(/EACCES|EROFS|bug/);
  }); // prettier-ignore

  it.skipIf(!isRoot)('says which folder it may not read (skipped unless root)', async () => {
    const locked = await mkdtemp(join(folder, 'locked-')); // 0700
    await cp(join(folder, 'drf-exported'), join(locked, 'exported'), { recursive: true });
    const service = await start([join(locked, 'exported')], { uid: NOBODY, gid: NOBODY });
    expect(await service.over).toBe(1);
    expect(service.heard.err).toMatch(/^error: .*locked-/m);
    expect(service.heard.err).not.toMatch(/bug/);
  });
});
