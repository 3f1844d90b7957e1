import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DOCS = join(ROOT, 'docs');

/** What pnpm eval results printed of a store: the part of a page between its marks, and the tables in its folder. */
async function printed(page: string): Promise<string> {
  const names = (await readdir(join(DOCS, page))).filter((name) => name.endsWith('.md'));
  const tables = await Promise.all(names.map((name) => readFile(join(DOCS, page, name), 'utf8')));
  const text = await readFile(join(DOCS, `${page}.md`), 'utf8');
  const [part = ''] = /<!-- written by drf eval results[\s\S]*<!-- end of what drf eval results/.exec(text) ?? [];
  return [part, ...tables].join('\n');
}

const figures = (text: string): string[] => [...text.matchAll(/\d+\.\d+/g)].map(([figure]) => figure);

it('the README has no result that was not printed from a store', async () => {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  const [results = ''] = /^Mean accuracy[\s\S]*?(?=^\*\*Where next)/m.exec(readme) ?? [];
  const known = new Set(
    figures((await Promise.all(['results', 'cross-validation', 'modern-encoders'].map(printed))).join('\n')),
  );
  expect(figures(results).length).toBeGreaterThan(10);
  expect(figures(results).filter((figure) => !known.has(figure))).toEqual([]);
});

it('the log names every decision, and decisions are numbered without a gap', async () => {
  const log = await readFile(join(DOCS, 'log.md'), 'utf8');
  const names = (await readdir(join(DOCS, 'decisions'))).sort();
  expect(names.filter((name) => !log.includes(`decisions/${name}`))).toEqual([]);
  expect(names.map((name) => Number(name.slice(0, 2)))).toEqual(names.map((_, i) => i + 1));
});
