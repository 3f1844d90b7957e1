// Strict test mode: a test fails when it leaks tensors or prints a warning that it did not expect.
// A test that means to warn spies on console.warn itself (`vi.spyOn(console, 'warn')`).
import { afterEach, beforeEach, expect, vi } from 'vitest';

/** What tfjs keeps of itself in the process once anything has loaded it; many tests never do. */
const tfjs = globalThis as { readonly _tfengine?: { readonly ENV: Flags; memory(): { readonly numTensors: number } } };
interface Flags {
  set(name: string, value: boolean): void;
}

const liveTensors = (): number => tfjs._tfengine?.memory().numTensors ?? 0;

let tensorsBefore = 0;
const realWarn = console.warn;
const warnings: string[] = [];

beforeEach(() => {
  tfjs._tfengine?.ENV.set('IS_TEST', true); // else it advises Node users to install tfjs-node, which is no warning of ours
  tensorsBefore = liveTensors();
  warnings.length = 0;
  console.warn = (...args: unknown[]) => void warnings.push(args.map(String).join(' '));
});

afterEach((context) => {
  vi.restoreAllMocks();
  console.warn = realWarn;
  if (context.task.result?.state === 'fail') return;
  expect(warnings, 'unexpected warnings').toEqual([]);
  expect(liveTensors() - tensorsBefore, 'leaked tensors').toBe(0);
});
