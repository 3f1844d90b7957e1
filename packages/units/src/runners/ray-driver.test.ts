import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quote } from '../command.js';
import type { UnitEvent } from '../contract.js';
import { runUnits } from '../run-units.js';
import { tinyPlan, TINY_PROGRAM, triesOf, withPlan } from '../testing/tiny-plan.js';
import { rayRunner } from './ray.js';

/** An executable `ray`, in whose folder its Python lies: `pip install "ray[default]"`. */
const RAY = process.env['DRF_TEST_RAY'];
const TOKEN = 'token-of-a-test-that-nobody-else-knows';
const UNIT = fileURLToPath(new URL('../testing/fake-unit.mjs', import.meta.url));

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

describe.skipIf(RAY === undefined)(
  'the driver on Ray itself (skipped unless DRF_TEST_RAY names the program ray)',
  () => {
    let folder: string;
    let head: ChildProcess;
    let address: string;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'r-')); // sockets below it have short names
      const [port, dashboard] = [await freePort(), await freePort()];
      const args = [
        ...['start', '--head', '--block', '--num-cpus=2', '--node-ip-address=127.0.0.1', `--port=${port}`],
        ...['--dashboard-host=127.0.0.1', `--dashboard-port=${dashboard}`, '--object-store-memory=100000000'],
        ...['--disable-usage-stats', `--temp-dir=${folder}`],
      ];
      const env = { ...process.env, RAY_AUTH_MODE: 'token', RAY_AUTH_TOKEN: TOKEN };
      head = spawn(RAY as string, args, { env, stdio: 'ignore', detached: true });
      address = `ray://127.0.0.1:${dashboard}`;
    }, 60_000);
    afterAll(async () => {
      process.kill(-(head.pid as number), 'SIGTERM');
      await new Promise((resolve) => setTimeout(resolve, 3000));
      spawnSync('kill', ['-9', '--', `-${head.pid}`]);
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    }, 60_000);

    it('does units by stages, tries again what may pass, and says what failed', { timeout: 300_000 }, async () => {
      const tiny = tinyPlan([
        'ok',
        'refuse',
        { what: 'kill', times: 2 },
        'ok',
        { what: 'unavailable', times: 1 },
        'kill',
      ]);
      const plan = { ...tiny, units: tiny.units.map((unit, index) => ({ ...unit, stage: index === 0 ? 1 : 0 })) };
      await withPlan(plan, async (published, place) => {
        const collected: number[] = [];
        const events: UnitEvent[] = [];
        const unitCommand = [process.execPath, UNIT].map(quote).join(' ');
        const runner = rayRunner(address, { token: TOKEN, unitCommand, delayMs: 3000, pollMs: 500 });
        const failures = await runUnits({
          ...{ plan: published, runner, program: TINY_PROGRAM },
          onOutput: (_, index) => void collected.push(index),
          onEvent: (event) => void events.push(event),
        });
        expect([...collected].sort()).toEqual([0, 2, 3, 4]);
        expect(failures).toEqual([
          { index: 1, reason: 'Row 3 expected a label, received none' },
          {
            index: 5,
            reason: expect.stringMatching(
              /^signal SIGKILL \(out of memory\?\) on [\d.]+ \(the last of 5 tries\)$/,
            ) as string,
          },
        ]);
        expect(await triesOf(place, 1)).toHaveLength(1);
        expect(await triesOf(place, 2)).toHaveLength(3);
        expect(events.filter(({ index }) => index === 0).map(({ kind }) => kind)).toEqual(['done']);
        expect(events.at(-1)).toMatchObject({ kind: 'done', index: 0 });
      });
    });

    it('calls the whole wrong when everything fails alike', { timeout: 300_000 }, () =>
      withPlan(tinyPlan(Array.from({ length: 30 }, () => 'ok' as const)), async (plan) => {
        const unitCommand = join(dirname(UNIT), 'no-such-program');
        const runner = rayRunner(address, { token: TOKEN, unitCommand, delayMs: 3000, pollMs: 500 });
        await expect(runUnits({ plan, runner, program: TINY_PROGRAM })).rejects.toThrow(
          /the same failure each time: the unit does not start on [\d.]+: .*No such file/,
        );
      }),
    );
  },
);
