import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { runReadmeExample } from '../../../scripts/run-readme-example.js';
import * as own from './index.js';
import * as transfer from './transfer.js';

it('the README’s example prints what the README shows', async () => {
  await tf.setBackend('cpu');
  const modules = { '@tensorflow/tfjs': tf, '@drf/tensor': own, '@drf/tensor/transfer': transfer };
  const { printed, shown } = await runReadmeExample(new URL('../README.md', import.meta.url), modules);
  expect(shown).not.toBe('');
  expect(printed).toBe(shown);
});
