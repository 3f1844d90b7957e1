import { readFile } from 'node:fs/promises';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { activate, ACTIVATION_NAMES } from './index.js';

beforeAll(async () => void (await tf.setBackend('cpu')));

describe('activate', () => {
  it.each(ACTIVATION_NAMES)('%s as in transformers', async (name) => {
    const fixture = new URL('../fixtures/activations.json', import.meta.url); // of packages/encoders/fixtures/make-fixtures.py
    const values = JSON.parse(await readFile(fixture, 'utf8')) as Readonly<Record<string, number[]>>;
    const results = tf.tidy(() => [...activate(name, tf.tensor1d(values['x'] as number[])).dataSync()]);
    const expected = values[name] as number[];
    expect(results).toHaveLength(expected.length);
    results.forEach((result, i) => expect(Math.abs(result - (expected[i] as number))).toBeLessThan(2e-6));
  });
});
