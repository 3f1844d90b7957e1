import { expect, it } from 'vitest';
import { runReadmeExample } from '../../../scripts/run-readme-example.js';
import * as own from './index.js';
import * as text from './text.js';

it('the README’s example prints what the README shows', async () => {
  const modules = { '@drf/preprocessing': own, '@drf/preprocessing/text': text };
  const { printed, shown } = await runReadmeExample(new URL('../README.md', import.meta.url), modules);
  expect(shown).not.toBe('');
  expect(printed).toBe(shown);
});
