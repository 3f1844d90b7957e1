import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseExperiment } from '@drf/experiment';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WorkerProcess, workOff, type WorkerSetting, type WorkOptions } from './workers.js';

const versions = { node: '', platform: '', packages: {}, git: null };
const setting: WorkerSetting = { threads: 1, folder: '', cache: '', split: null, memoryBytes: 0, versions };
const script = new URL('./testing/fake-worker.mjs', import.meta.url);
const start = (): WorkerProcess => new WorkerProcess(setting, script);
const config = parseExperiment({ name: 'tiny', dataset: { name: 'embedded' } }, 'tiny');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-crew-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Works tasks off, whose names say what becomes of them; what was answered, and by which process. */
async function work(names: readonly string[], options: Partial<WorkOptions<string>> = {}) {
  const done: { name: string; pid: string }[] = [];
  const failures = await workOff<string>({
    workers: 2,
    start,
    tasks: names,
    perform: async (worker, name) => {
      const { unreadable } = await worker.ask({ kind: 'prepare', config: { ...config, name } });
      done.push({ name, pid: unreadable[0] as string });
    },
    ...options,
  });
  return { done, failures };
}

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('workOff', () => {
  it('does every task once, in processes that go on from task to task and end at the end', async () => {
    const { done, failures } = await work(['ok', 'ok', 'ok', 'ok', 'ok', 'ok']);
    expect(failures).toEqual([]);
    expect(done).toHaveLength(6);
    const pids = [...new Set(done.map(({ pid }) => pid))];
    expect(pids.length).toBeLessThanOrEqual(2);
    expect(pids.map(Number).filter(isRunning)).toEqual([]);
  });

  it('a killed process costs its task one try, and no other task anything', async () => {
    const { done, failures } = await work(['ok', `crash-once|${join(folder, 'mark')}`, 'ok', 'ok'], { workers: 1 });
    expect(failures).toEqual([]);
    expect(done.map(({ name }) => name.split('|')[0])).toEqual(['ok', 'crash-once', 'ok', 'ok']);
    expect(new Set(done.map(({ pid }) => pid)).size).toBe(2);
  });

  it('tells what failed and why', async () => {
    const told: string[] = [];
    const { done, failures } = await work(['refuse', 'crash', 'exit', 'ok'], {
      onFailure: ({ task }) => void told.push(task),
    });
    expect(done).toHaveLength(1);
    expect(new Map(failures.map(({ task, reason }) => [task, reason]))).toEqual(
      new Map([
        ['refuse', 'Post 3 expected a label'],
        ['crash', 'the worker process ended: signal SIGKILL'],
        ['exit', 'the worker process ended: exit code 9; it said: out of memory'],
      ]),
    );
    expect(told.sort()).toEqual(['crash', 'exit', 'refuse']);
  });

  it('stops when told to, and leaves nothing running', async () => {
    const controller = new AbortController();
    const started: WorkerProcess[] = [];
    const working = work(['hang', 'hang', 'ok'], {
      signal: controller.signal,
      start: () => {
        started.push(start());
        if (started.length === 2) setTimeout(() => controller.abort(), 50);
        return started.at(-1) as WorkerProcess;
      },
    });
    expect((await working).done).toEqual([]);
    expect(started.map(({ pid }) => pid as number).filter(isRunning)).toEqual([]);
  });

  it('an error that is not a task’s ends everything', async () => {
    const perform = (): Promise<void> => Promise.reject(new RangeError('disk full'));
    await expect(work(['ok', 'ok', 'ok'], { perform })).rejects.toThrow('disk full');
  });
});
