import { expect, it } from 'vitest';
import { runReadmeExample } from '../../../scripts/run-readme-example.js';
import * as own from './index.js';

it('the README’s example prints what the README shows', async () => {
  const { printed, shown } = await runReadmeExample(new URL('../README.md', import.meta.url), {
    '@drf/collective': own,
  });
  expect(shown).not.toBe('');
  expect(printed).toBe(shown);
});
