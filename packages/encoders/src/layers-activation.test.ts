import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { maximumDifference } from './testing/graph-model.js';
import { readFixture } from './testing/reference.js';
import { activate, ACTIVATION_NAMES } from '@drf/layers';

beforeAll(async () => void (await tf.setBackend('cpu')));

describe('activate', () => {
  it.each(ACTIVATION_NAMES)('%s as in transformers', async (name) => {
    const values = (await readFixture('activations.json')) as Readonly<Record<string, number[]>>;
    const results = tf.tidy(() => activate(name, tf.tensor1d(values['x'] as number[])).dataSync());
    expect(maximumDifference(results, values[name] as number[])).toBeLessThan(2e-6);
  });
});
