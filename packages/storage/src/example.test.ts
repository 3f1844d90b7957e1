import * as files from 'node:fs/promises';
import * as os from 'node:os';
import * as path from 'node:path';
import { expect, it } from 'vitest';
import { runReadmeExample } from '../../../scripts/run-readme-example.js';
import * as own from './index.js';

it('the README’s example prints what the README shows', async () => {
  const modules = { '@drf/storage': own, 'node:fs/promises': files, 'node:os': os, 'node:path': path };
  const { printed, shown } = await runReadmeExample(new URL('../README.md', import.meta.url), modules);
  expect(shown).not.toBe('');
  expect(printed).toBe(shown);
});
