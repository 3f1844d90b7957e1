import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { UnavailableError } from '@drf/tensor';
import { quote } from '../command.js';
import type { PublishedPlan, UnitEvent } from '../contract.js';
import { runUnits, type RunUnitsOptions } from '../run-units.js';
import { tinyPlan, TINY_PROGRAM, triesOf, withPlan } from '../testing/tiny-plan.js';
import { slurmRunner, type SlurmRunnerOptions } from './slurm.js';

const FAKE = fileURLToPath(new URL('../testing/fake-slurm.mjs', import.meta.url));

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-slurm-'));
  await mkdir(join(folder, 'bin'));
  await mkdir(join(folder, 'state'));
  for (const name of ['sbatch', 'squeue', 'scontrol', 'scancel']) {
    const text = `#!/bin/sh\nexec ${quote(process.execPath)} ${quote(FAKE)} ${name} "$@"\n`;
    await writeFile(join(folder, 'bin', name), text, { mode: 0o755 });
  }
  vi.stubEnv('PATH', `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}`);
  vi.stubEnv('FAKE_SLURM', join(folder, 'state'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

const UNIT = fileURLToPath(new URL('../testing/fake-unit.mjs', import.meta.url));
const command = [process.execPath, UNIT].map(quote).join(' ');

async function run(plan: PublishedPlan, options: Partial<RunUnitsOptions> = {}, more: SlurmRunnerOptions = {}) {
  const [collected, events, said]: [number[], UnitEvent[], string[]] = [[], [], []];
  const say = (text: string): void => void said.push(text);
  const runner = slurmRunner({ unitCommand: command, pollMs: 100, say, ...more });
  const failures = await runUnits({
    ...{ plan, runner, program: TINY_PROGRAM },
    onOutput: (_, index) => void collected.push(index),
    onEvent: (event) => void events.push(event),
    ...options,
  });
  return { failures, collected: collected.sort(), events, said };
}

const calls = async (): Promise<string[]> =>
  (await readFile(join(folder, 'state', 'calls'), 'utf8')).trim().split('\n');

describe('runner slurm', { timeout: 180_000 }, () => {
  it('submits arrays by stages and sizes, tries again what may pass, and says what failed', () => {
    const inputs = ['ok', 'refuse', 'ok', 'ok', 'ok', { what: 'kill', times: 1 }, 'unavailable'] as const;
    const tiny = tinyPlan(inputs, { resources: { cores: 1.5, gpus: 1, memoryBytes: 3e9 } });
    const plan = { ...tiny, units: tiny.units.map((unit, index) => ({ ...unit, stage: index < 5 ? 0 : 1 })) };
    return withPlan(plan, async (published, place) => {
      await published.storage.write('units/2.json', 'was there');
      const { failures, collected, events, said } = await run(
        published,
        { lanes: 2 },
        { slurmOptions: '-A "my project"' },
      );
      expect(collected).toEqual([0, 2, 3, 4, 5]);
      expect(failures).toEqual([
        { index: 1, reason: 'Row 3 expected a label, received none' },
        { index: 6, reason: 'Hub expected a net, received none (the last of 3 tries)' },
      ]);
      expect(await triesOf(place, 6)).toHaveLength(3);
      expect(said).toEqual([
        'Submitted array 1 of 3 units.',
        'Submitted array 2 of 1 units.',
        'Submitted array 3 of 2 units.',
      ]);
      const [first, second, third] = await calls();
      expect(first).toMatch(
        /--requeue --open-mode=append --job-name=drf-\w{16} --comment=0 --array=0-1,3%2 --cpus-per-task=2 --mem=2862M --gres=gpu:1 --output=\S+%A_%a\.log -A my project \S+\.sbatch 0$/,
      );
      expect(second).toMatch(/--comment=4 --array=0%2 .*--dependency=afterany:1 /);
      expect(third).toMatch(/--comment=5 --array=0-1%2 .*--dependency=afterany:1:2 /);
      expect(events).toContainEqual({ kind: 'started', index: 6, where: 'h2' });
    });
  });

  it('joins what an earlier command left in the queue, and cancels all when told to', () =>
    withPlan(tinyPlan(['ok', 'hang', 'ok']), async (plan, place) => {
      const controller = new AbortController();
      const first = run(plan, { signal: AbortSignal.timeout(60_000), lanes: 1 });
      while ((await triesOf(place, 1)).length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
      setTimeout(() => controller.abort(), 1000);
      const second = await run(plan, { signal: controller.signal, lanes: 1 });
      expect(second.said).toEqual(["Joined 2 units that an earlier command left in Slurm's queue."]);
      expect(second.failures).toEqual([]);
      expect(await readdir(join(folder, 'state'))).toEqual(['calls']);
      expect(await calls()).toHaveLength(1);
      const third = run(plan, { signal: AbortSignal.abort() });
      expect((await third).failures).toEqual([]);
      expect((await first).failures.map(({ index }) => index)).toEqual([1, 2]); // canceled by another
    }));

  it('says when Slurm is not there, or refuses', () =>
    withPlan(tinyPlan(['ok']), async (plan) => {
      await writeFile(join(folder, 'state', 'refuse'), '');
      await expect(run(plan)).rejects.toThrow(
        'to accept the units, received sbatch: error: invalid partition specified',
      );
      vi.stubEnv('PATH', folder);
      await expect(run(plan)).rejects.toThrow(UnavailableError);
      await expect(run(plan)).rejects.toThrow('the command squeue, received none on the path');
    }));
});
