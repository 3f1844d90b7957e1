import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ConfigurationError, UnavailableError } from '@drf/tensor';
import type { PublishedPlan, UnitEvent, UnitFailure } from '../contract.js';
import { runUnits } from '../run-units.js';
import { FakeRay, line, taskOf, type FakeJob } from '../testing/fake-ray.js';
import { tinyPlan, TINY_PROGRAM, withPlan } from '../testing/tiny-plan.js';
import { RayClient, rayToken } from './ray-client.js';
import { rayRunner } from './ray.js';

let ray: FakeRay;
let address: string;
beforeEach(async () => {
  ray = new FakeRay();
  address = await ray.start();
});
afterEach(() => ray.stop());

interface Ran {
  readonly failures: readonly UnitFailure[];
  readonly collected: number[];
  readonly events: UnitEvent[];
  readonly said: string[];
}

async function run(
  plan: PublishedPlan,
  { signal, lanes }: { signal?: AbortSignal; lanes?: number } = {},
): Promise<Ran> {
  const [collected, events, said]: [number[], UnitEvent[], string[]] = [[], [], []];
  const runner = rayRunner(address, { token: 'secret', pollMs: 10, delayMs: 1, say: (text) => void said.push(text) });
  const failures = await runUnits({
    ...{ plan, runner, program: TINY_PROGRAM, signal, lanes },
    onOutput: (_, index) => void collected.push(index),
    onEvent: (event) => void events.push(event),
  });
  return { failures, collected, events, said };
}

/** What a driver does for a unit that succeeds. */
async function finish(plan: PublishedPlan, job: FakeJob, index: number): Promise<void> {
  await plan.storage.write(`units/${index}.json`, 'result');
  job.logs += line({ kind: 'done', index, where: '10.0.0.2' });
}

const five = tinyPlan(['ok', 'ok', 'ok', 'ok', 'ok'], { resources: { cores: 2, gpus: 0.5, memoryBytes: 1e9 } });

describe('runner ray', () => {
  it('submits what is due as one job, and tells what its log says, once', () =>
    withPlan(five, async (plan) => {
      ray.token = 'secret';
      await plan.storage.write('units/1.json', 'was there');
      ray.onSubmit = (job) =>
        void (async () => {
          job.logs = `Running entrypoint for job\n${line({ kind: 'ready' })}${line({ kind: 'warning', reason: 'no GPU' })}`;
          await finish(plan, job, 0);
          job.logs += line({ kind: 'again', index: 2, reason: 'signal SIGKILL' }) + '{"kind": "do';
          await new Promise((resolve) => setTimeout(resolve, 50));
          job.logs =
            job.logs.slice(0, -12) + line({ kind: 'failed', index: 3, reason: 'Row 3' }) + '{"other": 1}\nnoise\n';
          for (const index of [1, 2, 4]) await finish(plan, job, index);
          job.status = 'SUCCEEDED';
        })();
      const { failures, collected, events, said } = await run(plan, { lanes: 3 });
      expect(failures).toEqual([{ index: 3, reason: 'Row 3' }]);
      expect([...collected].sort()).toEqual([0, 1, 2, 4]);
      expect(events.map(({ kind, index }) => `${kind} ${index}`)).toEqual([
        ...['done 0', 'again 2', 'failed 3', 'done 2', 'done 4'],
      ]);
      expect(said).toEqual([`Submitted job drf-${plan.hash.slice(0, 16)}-1 of 4 units.`, 'no GPU']);
      const [job] = [...ray.jobs.values()];
      expect(taskOf(job!)).toMatchObject({
        ...{
          plan: plan.location,
          due: '0,2-4',
          lanes: 3,
          cores: 2,
          gpus: 0.5,
          memoryBytes: 1e9,
          folder: process.cwd(),
        },
        command: expect.stringContaining('tiny-unit.ts') as string,
      });
      expect(job!.submission.runtime_env.env_vars).toMatchObject({ RAY_USAGE_STATS_ENABLED: '0' });
      expect(JSON.stringify(job!.submission)).not.toContain('secret');
      const driver = Buffer.from(job!.submission.runtime_env.env_vars['DRF_RAY_DRIVER'] ?? '', 'base64').toString();
      expect(driver).toBe(await readFile(new URL('../../ray/driver.py', import.meta.url), 'utf8'));
    }));

  it('joins the job of a command that was killed, and submits what that job had not', () =>
    withPlan(five, async (plan) => {
      const stem = `drf-${plan.hash.slice(0, 16)}`;
      const env_vars = {};
      const submission = { entrypoint: '', submission_id: `${stem}-4`, runtime_env: { env_vars }, metadata: {} };
      const earlier: FakeJob = { submission, status: 'RUNNING', message: null, logs: line({ kind: 'ready' }) };
      ray.jobs.set(submission.submission_id, earlier);
      for (const index of [0, 1, 2]) await finish(plan, earlier, index);
      await rm(join(plan.storage.folder as string, 'units', '0.json')); // so that it is due
      await plan.storage.write('units/0.json', 'late');
      setTimeout(() => (earlier.status = 'SUCCEEDED'), 100);
      ray.onSubmit = (job) =>
        void (async () => {
          job.logs = line({ kind: 'ready' });
          for (const index of [3, 4]) await finish(plan, job, index);
          job.status = 'SUCCEEDED';
        })();
      const { failures, collected, said } = await run(plan);
      expect(failures).toEqual([]);
      expect([...collected].sort()).toEqual([0, 1, 2, 3, 4]);
      expect(said).toEqual([
        `Joined job ${stem}-4, which an earlier command submitted.`,
        `Submitted job ${stem}-5 of 2 units.`,
      ]);
    }));

  it('submits again what a lost job had not done, and gives up after some that did nothing', () =>
    withPlan(five, async (plan) => {
      let jobs = 0;
      ray.onSubmit = (job) =>
        void (async () => {
          jobs++;
          job.logs = line({ kind: 'ready' });
          if (jobs > 1) return void (job.status = 'FAILED');
          await finish(plan, job, 0);
          setTimeout(() => {
            ray.jobs.clear(); // the head was started anew, has forgotten all, and is not quite there yet
            let refused = 0;
            ray.interfere = ({ url }) =>
              url === '/api/jobs/' && refused++ < 10 ? { status: 500, text: 'No available agent' } : undefined;
          }, 100);
        })();
      const collected: number[] = [];
      const runner = rayRunner(address, { pollMs: 10, delayMs: 1 });
      const onOutput = (_: unknown, index: number): void => void collected.push(index);
      const outcome = runUnits({ plan, runner, program: TINY_PROGRAM, onOutput });
      await expect(outcome).rejects.toThrow(UnavailableError);
      await expect(outcome).rejects.toThrow('3 that were lost one after the other');
      expect(jobs).toBe(3);
      expect([...ray.jobs.values()].map((job) => taskOf(job)['due'])).toEqual(['1-4', '1-4']);
      expect(collected).toEqual([0]);
    }));

  it('says at once why nothing can begin', () =>
    withPlan(five, async (plan) => {
      ray.onSubmit = (job) => {
        job.logs = 'Running entrypoint for job x\nno Python on this machine has Ray\n';
        job.message = 'Job entrypoint command failed with exit code 127, last available logs (truncated):\nno Python';
        job.status = 'FAILED';
      };
      await expect(run(plan)).rejects.toThrow(
        'one that failed before it began: Job entrypoint command failed with exit code 127: no Python on this machine has Ray; see',
      );
      ray.onSubmit = (job) => void (job.logs = line({ kind: 'ready' }) + line({ kind: 'broken', reason: 'code "a"' }));
      await expect(run(plan)).rejects.toThrow('the same failure each time: code "a"');
    }));

  it('stops its job when told to, and calls nothing failed', () =>
    withPlan(five, async (plan) => {
      const controller = new AbortController();
      ray.onSubmit = (job) => {
        job.logs = line({ kind: 'ready' });
        void finish(plan, job, 0).then(() => setTimeout(() => controller.abort(), 50));
      };
      const { failures, collected } = await run(plan, { signal: controller.signal });
      expect({ failures, collected }).toEqual({ failures: [], collected: [0] });
      expect([...ray.jobs.values()].map(({ status }) => status)).toEqual(['STOPPED']);
    }));

  it('says when somebody else stopped the job', () =>
    withPlan(five, async (plan) => {
      ray.onSubmit = (job) => void (job.status = 'STOPPED');
      await expect(run(plan)).rejects.toThrow('received that somebody stopped it');
    }));

  it('outlives answers that fail for a while', () =>
    withPlan(five, async (plan) => {
      let refused = 0;
      ray.interfere = ({ url = '' }) =>
        /jobs\/drf/.test(url) && refused++ < 12 ? { status: 503, text: 'starting' } : undefined;
      ray.onSubmit = (job) =>
        void (async () => {
          for (const index of [0, 1, 2, 3, 4]) await finish(plan, job, index);
          job.status = 'SUCCEEDED';
        })();
      const { failures, said } = await run(plan);
      expect(failures).toEqual([]);
      expect(said.at(-1)).toBe('Ray does not answer; waiting for it.');
    }));
});

describe('RayClient', () => {
  const version = (token?: string): Promise<string> => new RayClient(address, { token: token ?? 'none', delayMs: 1 }).version(); // prettier-ignore

  it('tells a wrong token from none', async () => {
    ray.token = 'secret';
    await expect(version('wrong')).rejects.toThrow(ConfigurationError);
    await expect(version('wrong')).rejects.toThrow('its token, received one that it refuses (HTTP status 403)');
    vi.stubEnv('RAY_AUTH_TOKEN', '');
    vi.stubEnv('RAY_AUTH_TOKEN_PATH', '/nowhere');
    await expect(new RayClient(address, { delayMs: 1 }).version()).rejects.toThrow('its token, received none; set RAY_AUTH_TOKEN'); // prettier-ignore
    vi.unstubAllEnvs();
    expect(await version('secret')).toBe('2.60.0');
  });

  it.each([
    ['no Ray', '<html>hello</html>', 'the dashboard of a Ray cluster, received no JSON'],
    ['another service', '{"version":1}', 'the dashboard of a Ray cluster, received another answer'],
    ['an old Ray', '{"ray_version":"2.9.3","session_name":"x"}', 'Ray 2.52 or newer, received 2.9.3'],
  ])('refuses %s', async (_, text, message) => {
    ray.interfere = () => ({ status: 200, text });
    await expect(version()).rejects.toThrow(message);
  });

  it('refuses what is not there, and what answers with an error', async () => {
    ray.interfere = () => ({ status: 404, text: 'no such page' });
    await expect(version()).rejects.toThrow('the dashboard of a Ray cluster, received HTTP status 404: no such page');
    expect(ray.requests).toHaveLength(1);
    await ray.stop();
    await expect(version()).rejects.toThrow(/expected to answer, received (connect )?ECONNREFUSED.*ray start --head/);
    ray = new FakeRay();
  });

  it('keeps a password in an address to itself', () => {
    const opening = (): RayClient => new RayClient('ray://somebody:hush@head:8265');
    expect(opening).toThrow(/^Address ray:\/\/…@head:8265 expected an address alone/);
    expect(opening).not.toThrow('hush');
  });

  it('does not wait for ever for what never says anything whole', async () => {
    const trickling = createServer((_, response) => {
      const timer = setInterval(() => response.write(' '), 20);
      response.on('close', () => clearInterval(timer));
    });
    await new Promise<void>((resolve) => trickling.listen(0, '127.0.0.1', resolve));
    try {
      const client = new RayClient(`ray://127.0.0.1:${(trickling.address() as AddressInfo).port}`, { patienceMs: 300 });
      await expect(client.version()).rejects.toThrow(/expected to answer, received no whole answer in 0.3 s; give the address/); // prettier-ignore
      await expect(client.version(AbortSignal.abort(new Error('stopped')))).rejects.toThrow('stopped');
    } finally {
      trickling.closeAllConnections();
      await new Promise((resolve) => trickling.close(resolve));
    }
  });

  it('knows addresses', () => {
    const base = (text: string): string => new RayClient(text, {}).base.href;
    expect(base('ray://head')).toBe('http://head:8265/');
    expect(base('ray://10.0.0.1:9000/')).toBe('http://10.0.0.1:9000/');
    expect(base('rays://ray.example.org/team')).toBe('https://ray.example.org/team/');
    for (const wrong of ['http://head', 'ray://', 'ray://user:password@head', 'ray://a b']) {
      expect(() => base(wrong)).toThrow(ConfigurationError);
    }
  });

  it('finds the token where Ray does', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'drf-token-'));
    await writeFile(join(folder, 'file'), 'from-file\n');
    expect(rayToken({ RAY_AUTH_TOKEN: 'direct', RAY_AUTH_TOKEN_PATH: join(folder, 'file') }, folder)).toBe('direct');
    expect(rayToken({ RAY_AUTH_TOKEN_PATH: join(folder, 'file') }, folder)).toBe('from-file');
    expect(rayToken({}, folder)).toBeUndefined();
    await rm(folder, { recursive: true });
  });
});
