import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { FROM_SOURCE, tinyPlan, TINY_PROGRAM, triesOf, withPlan } from './testing/tiny-plan.js';

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  /** The last line on standard error. */
  readonly said: string;
}

interface Options {
  readonly environment?: NodeJS.ProcessEnv;
  readonly stdin?: 'ignore' | 'pipe';
  readonly onStart?: (child: ChildProcess) => void;
}

/** Runs the program of tiny units to its end. */
function run(args: readonly string[], { environment = {}, stdin = 'ignore', onStart }: Options = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...FROM_SOURCE, fileURLToPath(TINY_PROGRAM), ...args], {
      env: { ...process.env, ...environment },
      stdio: [stdin, 'ignore', 'pipe'],
    });
    let text = '';
    child.stderr?.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, said: text.trim().split('\n').at(-1) ?? '' }));
    onStart?.(child);
  });
}

const untilBegun = async (folder: string, index: number): Promise<void> => {
  while ((await triesOf(folder, index)).length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
};

describe('unitProgram', { timeout: 180_000 }, () => {
  it('does one unit, and nothing where its output is there', () =>
    withPlan(tinyPlan(['ok']), async ({ location }, folder) => {
      expect(await run([location, '0'])).toEqual({ code: 0, signal: null, said: 'u0: done' });
      expect(existsSync(join(folder, 'units', '0.json'))).toBe(true);
      expect(await run([location, '0'])).toEqual({ code: 0, signal: null, said: 'u0: was there already' });
      expect(await triesOf(folder, 0)).toHaveLength(1);
    }));

  it.each([
    ['refuse', 65, 'Row 3 expected a label, received none'],
    ['unavailable', 75, 'Hub expected a net, received none'],
    ['bug', 75, 'TypeError: no such function'],
    ['nothing', 75, 'Error: unit 0 (u0) ended without its output units/0.json: a bug of kind "tiny"'],
  ] as const)('says whether another try may help: %s', (what, code, said) =>
    withPlan(tinyPlan([what]), async ({ location }) => {
      expect(await run([location, '0'])).toEqual({ code, signal: null, said });
    }),
  );

  it('refuses other code, other kinds, other plans and other arguments', () =>
    withPlan(tinyPlan(['ok']), async ({ location }) => {
      const other = await run([location, '0'], { environment: { TINY_CODE: 'tiny 9' } });
      expect(other.code).toBe(65);
      expect(other.said).toContain('units to be done by code "tiny 1", received code "tiny 9"');
      expect(await run([location, '1'])).toMatchObject({ code: 65, said: expect.stringContaining('an index from 0 to 0') as string }); // prettier-ignore
      expect(await run([`${location}x`, '0'])).toMatchObject({ code: 65 });
      expect(await run([location])).toMatchObject({ code: 65, said: expect.stringContaining('PLAN INDEX') as string });
      expect(await run([location, '0', '--own', './no.mjs'])).toMatchObject({ code: 65 });
    }));

  it.each([
    ['SIGTERM', 'hang', 143],
    ['SIGINT', 'hang', 130],
  ] as const)('ends by %s', (signal, what, code) =>
    withPlan(tinyPlan([what]), async ({ location }, folder) => {
      const onStart = (child: ChildProcess): void =>
        void untilBegun(folder, 0).then(() => setTimeout(() => child.kill(signal), 100));
      expect(await run([location, '0'], { onStart })).toMatchObject({ code, signal: null });
      expect(existsSync(join(folder, 'units', '0.json'))).toBe(false);
    }),
  );

  it('ends with its starter only where that holds its standard input', () =>
    withPlan(tinyPlan(['stubborn', { what: 'sleep', milliseconds: 500 }]), async ({ location }, folder) => {
      const onStart = (child: ChildProcess): void => void untilBegun(folder, 0).then(() => child.stdin?.end());
      const environment = { DRF_UNIT_PARENT: 'stdin' };
      expect(await run([location, '0'], { environment, stdin: 'pipe', onStart })).toMatchObject({ code: 75 });
      expect(await run([location, '1'])).toMatchObject({ code: 0, said: 'u1: done' });
    }));
});
