import { readFileSync } from 'node:fs';
import * as tensor from '@drf/tensor';
import { expect, it, vi } from 'vitest';
import * as datasets from './index.js';

it('the example of the README runs as it stands', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const example = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? '';
  expect(example).toContain('openDataset');
  // imports become look-ups, so that the example runs here against this source
  const body = example.replaceAll(/import (\{.*?\}) from '(.*?)';/g, 'const $1 = modules["$2"];');
  const run = new Function('modules', `return (async () => {${body}})();`) as (modules: object) => Promise<void>;
  const lines: unknown[][] = [];
  vi.spyOn(console, 'log').mockImplementation((...args: unknown[]) => void lines.push(args));
  await run({ '@drf/datasets': datasets, '@drf/tensor': tensor });
  expect(lines[0]?.slice(0, 2)).toEqual([['positive', 'neutral', 'negative'], 32]);
  expect(lines).toHaveLength(1 + 25); // 8/10 of 32 posts
  expect(lines[1]?.[2]).toBe(224);
});
