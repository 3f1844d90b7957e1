import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Plan, PublishedPlan, UnitEvent } from '../contract.js';
import { runUnits, type RunUnitsOptions } from '../run-units.js';
import { FROM_SOURCE, tinyPlan, TINY_PROGRAM, triesOf, withPlan } from '../testing/tiny-plan.js';
import { localRunner, visibleDevices } from './local.js';

/** Does a plan's units here; what was handed over, and which events came. */
async function run(plan: PublishedPlan, options: Partial<RunUnitsOptions> = {}) {
  const collected: number[] = [];
  const events: UnitEvent[] = [];
  const failures = await runUnits({
    plan,
    runner: localRunner({ execArgv: FROM_SOURCE }),
    program: TINY_PROGRAM,
    lanes: 2,
    onOutput: (_, index) => void collected.push(index),
    onEvent: (event) => void events.push(event),
    ...options,
  });
  return { failures, collected, events };
}

const staged = (plan: Plan, stages: readonly number[]): Plan => ({
  ...plan,
  units: plan.units.map((unit, index) => ({ ...unit, stage: stages[index] ?? 0 })),
});

const isRunning = (pid: string): boolean => {
  try {
    return process.kill(Number(pid), 0);
  } catch {
    return false;
  }
};

describe('runner local', { timeout: 180_000 }, () => {
  it('does every unit once, in processes that go on from unit to unit, and goes on where it stopped', () =>
    withPlan(tinyPlan(['ok', 'ok', 'ok', 'ok']), async (plan, folder) => {
      await plan.storage.write('units/2.json', 'was there');
      const { failures, collected, events } = await run(plan);
      expect(failures).toEqual([]);
      expect(collected[0]).toBe(2); // that of a former run first
      expect([...collected].sort()).toEqual([0, 1, 2, 3]);
      expect(events.filter(({ kind }) => kind === 'done')).toHaveLength(3);
      expect(events).toContainEqual({ kind: 'progress', index: 0, progress: { what: 'counting', done: 1, total: 2 } });
      expect(await readFile(join(folder, 'units', '2.json'), 'utf8')).toBe('was there');
      const content = JSON.parse(await readFile(join(folder, 'units', '0.json'), 'utf8')) as unknown;
      expect(content).toEqual({ label: 'u0', threads: 1, settings: 'shared' });
      const pids = (await Promise.all([0, 1, 3].map((index) => triesOf(folder, index)))).flat();
      expect(pids).toHaveLength(3);
      expect(new Set(pids).size).toBeLessThanOrEqual(2);
      expect(pids.filter(isRunning)).toEqual([]);
      expect((await run(plan)).collected).toEqual([0, 1, 2, 3]);
    }));

  it('tells which units failed and why, and tries again what may pass', () =>
    withPlan(
      tinyPlan(['refuse', { what: 'kill', times: 1 }, 'exit', { what: 'unavailable', times: 2 }, 'bug', 'nothing']),
      async (plan, folder) => {
        const { failures, collected, events } = await run(plan, { lanes: 6 });
        expect([...collected].sort()).toEqual([1, 3]);
        expect(new Map(failures.map(({ index, reason }) => [index, reason]))).toEqual(
          new Map([
            [0, 'Row 3 expected a label, received none'],
            [2, "the unit's process ended: exit code 9; it said: {\"kind\":\"done\"} is what a library prints / out of memory (the last of 3 tries)"], // prettier-ignore
            [4, 'no such function (the last of 3 tries)'],
            [5, 'unit 5 (u5) ended without its output units/5.json: a bug of kind "tiny" (the last of 3 tries)'],
          ]),
        );
        expect(
          (await Promise.all([0, 1, 2, 3, 4].map((index) => triesOf(folder, index)))).map((a) => a.length),
        ).toEqual([1, 2, 3, 3, 3]);
        const again = events.find((event) => event.kind === 'again' && event.index === 1);
        expect(again).toMatchObject({ reason: expect.stringContaining('signal SIGKILL') as string });
      },
    ));

  it('keeps to the order of stages, also when a unit of the former is given up', () =>
    withPlan(staged(tinyPlan(['ok', 'refuse', 'ok']), [1, 0, 0]), async (plan) => {
      const { failures, events } = await run(plan);
      expect(failures.map(({ index }) => index)).toEqual([1]);
      const order = events.filter(({ kind }) => kind === 'started').map(({ index }) => index);
      expect(order.at(-1)).toBe(0);
    }));

  it('ends when told to, and leaves nothing running', () =>
    withPlan(tinyPlan(['hang', 'hang', 'ok']), async (plan, folder) => {
      const controller = new AbortController();
      const onEvent = ({ kind, index }: UnitEvent): void =>
        void (kind === 'progress' && index === 1 && controller.abort());
      const { failures, collected } = await run(plan, { signal: controller.signal, onEvent });
      expect({ failures, collected }).toEqual({ failures: [], collected: [] });
      const pids = (await Promise.all([0, 1].map((index) => triesOf(folder, index)))).flat();
      expect(pids.length).toBeGreaterThan(0);
      expect(pids.filter(isRunning)).toEqual([]);
    }));

  it('refuses everything at once when the program does not begin', () =>
    withPlan(tinyPlan(['ok', 'ok'], { code: 'tiny 2' }), async (plan, folder) => {
      await expect(run(plan)).rejects.toThrow('units to be done by code "tiny 2", received code "tiny 1"');
      expect(await triesOf(folder, 0)).toEqual([]);
    }));

  it('ends with what the collecting of an output throws', () =>
    withPlan(tinyPlan(['ok', 'hang']), async (plan) => {
      const onOutput = (): void => {
        throw new RangeError('disk full');
      };
      await expect(run(plan, { onOutput })).rejects.toThrow('disk full');
    }));
});

describe('visibleDevices', () => {
  const of = (gpus: number, visible: string) => visibleDevices({ cores: 1, memoryBytes: 0, gpus }, visible);

  it('deals out GPUs', () => {
    expect(of(1, '0,1,5')).toEqual(['0', '1', '5']);
    expect(of(2, '0,1,5')).toEqual(['0,1']);
    expect(of(0.5, '3,7')).toEqual(['3', '3', '7', '7']);
    expect(of(4, '0,1')).toEqual(['0,1']); // one at a time has what there is
  });

  it('says nothing where GPUs are not named, or not needed', () => {
    expect([of(1, '').length, of(0.25, '').length, of(0, '0').length]).toEqual([1, 4, Infinity]);
    expect([of(1, '')[0], of(0, '0')[0]]).toEqual([undefined, undefined]);
  });
});
