import { expect, it } from 'vitest';
import * as tensor from '@drf/tensor';
import { runReadmeExample } from '../../../scripts/run-readme-example.js';
import * as own from './index.js';

it('the README’s example prints what the README shows', async () => {
  const modules = { '@drf/onnx': own, '@drf/tensor': tensor };
  const { printed, shown } = await runReadmeExample(new URL('../README.md', import.meta.url), modules);
  expect(shown).not.toBe('');
  expect(printed).toBe(shown);
});
