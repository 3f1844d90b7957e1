import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';

import * as tensor from '@drf/tensor';
import * as transfer from '@drf/tensor/transfer';
import { runReadmeExample } from '../../../scripts/run-readme-example.js';
import * as own from './index.js';

it('the README’s example prints what the README shows', async () => {
  await tf.setBackend('cpu');
  const modules = {
    '@tensorflow/tfjs': tf,
    '@drf/tensor': tensor,
    '@drf/tensor/transfer': transfer,

    '@drf/layers': own,
  };
  const { printed, shown } = await runReadmeExample(new URL('../README.md', import.meta.url), modules);
  expect(shown).not.toBe('');
  expect(printed).toBe(shown);
});
