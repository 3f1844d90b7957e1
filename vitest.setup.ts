// Strict test mode: a test fails when it leaks tensors or prints a warning that it did not expect.
// A test that means to warn spies on console.warn itself (`vi.spyOn(console, 'warn')`).
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, expect, vi } from 'vitest';

// tfjs greets Node users with advice to install tfjs-node; that is no warning of ours.
tf.env().set('IS_TEST', true);

let tensorsBefore = 0;
const realWarn = console.warn;
const warnings: string[] = [];

beforeEach(() => {
  tensorsBefore = tf.memory().numTensors;
  warnings.length = 0;
  console.warn = (...args: unknown[]) => void warnings.push(args.map(String).join(' '));
});

afterEach((context) => {
  vi.restoreAllMocks();
  console.warn = realWarn;
  if (context.task.result?.state === 'fail') return;
  expect(warnings, 'unexpected warnings').toEqual([]);
  expect(tf.memory().numTensors - tensorsBefore, 'leaked tensors').toBe(0);
});
