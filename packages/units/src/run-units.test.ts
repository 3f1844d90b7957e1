import { describe, expect, it } from 'vitest';
import type { Storage, StoredEntry } from '@drf/files';
import type { PublishedPlan, Runner, RunnerJob, UnitFailure } from './contract.js';
import { findOutputs, runUnits } from './run-units.js';
import { tinyPlan, TINY_PROGRAM, withPlan } from './testing/tiny-plan.js';

const publish = (plan: PublishedPlan, index: number): Promise<boolean> =>
  plan.storage.write(plan.units[index]!.output, 'result');

/** A runner that does what a test says. */
const runner = (run: (job: RunnerJob) => Promise<readonly UnitFailure[]>, more: Partial<Runner> = {}): Runner => ({
  name: 'fake',
  run,
  ...more,
});

const three = tinyPlan(['ok', 'ok', 'ok']);

describe('runUnits', () => {
  it('hands over what is there, as it appears, each once', () =>
    withPlan(three, async (plan) => {
      await publish(plan, 1);
      const order: string[] = [];
      const engine = runner(async ({ due, onEvent }) => {
        order.push(`due ${due.join(' ')}`);
        await publish(plan, 2);
        onEvent({ kind: 'done', index: 2 });
        onEvent({ kind: 'done', index: 2 });
        while (!order.includes('2')) await new Promise((resolve) => setTimeout(resolve, 10));
        await publish(plan, 0); // and says nothing of it
        order.push('ended');
        return [{ index: 0, reason: 'lost' }]; // which is not so
      });
      const onOutput = (_: unknown, index: number): void => void order.push(String(index));
      expect(await runUnits({ plan, runner: engine, program: TINY_PROGRAM, onOutput })).toEqual([]);
      expect(order).toEqual(['1', 'due 0 2', '2', 'ended', '0']);
    }));

  it('begins nothing where nothing is due', () =>
    withPlan(three, async (plan) => {
      for (const index of [0, 1, 2]) await publish(plan, index);
      const engine = runner(() => Promise.reject(new Error('it began')));
      expect(await runUnits({ plan, runner: engine, program: TINY_PROGRAM })).toEqual([]);
    }));

  it('calls a unit without an output failed, whatever the engine says', { timeout: 40_000 }, () =>
    withPlan(three, async (plan) => {
      const engine = runner(async ({ onEvent }) => {
        onEvent({ kind: 'done', index: 0 });
        return Promise.resolve([{ index: 1, reason: 'wrong row' }]);
      });
      expect(await runUnits({ plan, runner: engine, program: TINY_PROGRAM })).toEqual([
        { index: 0, reason: `fake calls it done, but its output units/0.json is not in ${plan.storage.location}` },
        { index: 1, reason: 'wrong row' },
        { index: 2, reason: 'fake ended without it, and gave no reason' },
      ]);
    }),
  );

  it('calls nothing failed that was only interrupted, or left to others', () =>
    withPlan(three, async (plan) => {
      const controller = new AbortController();
      const engine = runner(() => {
        controller.abort();
        return Promise.resolve([{ index: 1, reason: 'wrong row' }]);
      });
      const { signal } = controller;
      const failures = await runUnits({ plan, runner: engine, program: TINY_PROGRAM, signal });
      expect(failures).toEqual([{ index: 1, reason: 'wrong row' }]);
      const planner = runner(() => Promise.resolve([]), { onlyPlans: true });
      expect(await runUnits({ plan, runner: planner, program: TINY_PROGRAM })).toEqual([]);
    }));

  it('ends the runner when an output cannot be taken', () =>
    withPlan(three, async (plan) => {
      const engine = runner(async ({ signal, onEvent }) => {
        await publish(plan, 0);
        onEvent({ kind: 'done', index: 0 });
        await new Promise((resolve) => signal?.addEventListener('abort', resolve));
        return [];
      });
      const onOutput = (): never => {
        throw new RangeError('disk full');
      };
      await expect(runUnits({ plan, runner: engine, program: TINY_PROGRAM, onOutput })).rejects.toThrow('disk full');
    }));
});

describe('findOutputs', () => {
  it('lists folders of many outputs, and asks for those of few', async () => {
    const asked: string[] = [];
    const entry = (path: string): StoredEntry => ({ path, bytes: 1, version: '' });
    const all = Array.from({ length: 10_000 }, (_, index) => `many/${index}`);
    const storage: Partial<Storage> = {
      async *list(below) {
        asked.push(`list ${below}`);
        for (const path of all.slice(5000)) yield entry(await Promise.resolve(path));
      },
      find: (path) => {
        asked.push(`find ${path}`);
        return Promise.resolve(path === 'few/1' ? entry(path) : undefined);
      },
    };
    const found = await findOutputs(storage as Storage, [...all, 'few/0', 'few/1']);
    expect(found.size).toBe(5001);
    expect(found.has('many/5000') && found.has('few/1') && !found.has('many/0')).toBe(true);
    expect(asked).toEqual(['list many', 'find few/0', 'find few/1']);
  });
});
