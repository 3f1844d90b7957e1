import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What pnpm eval results printed: the numbers that pages may take. */
async function tables(folder: string): Promise<string> {
  const names = (await readdir(join(ROOT, 'docs', folder))).filter((name) => name.endsWith('.md'));
  return (await Promise.all(names.map((name) => readFile(join(ROOT, 'docs', folder, name), 'utf8')))).join('\n');
}

/** Figures with a decimal, and the rows of tables that they stand in. */
const figures = (text: string): string[] => [...text.matchAll(/\d+\.\d+/g)].map(([figure]) => figure);
const rows = (text: string): string => text.match(/^\|.*$/gm)?.join('\n') ?? '';

it('the README’s table has no figure that the tables of docs/results lack', async () => {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  const [headline = ''] = /^\| method[\s\S]*?\n\n/m.exec(readme) ?? [];
  const printed = new Set(figures(await tables('results')));
  expect(figures(headline).length).toBeGreaterThan(5);
  expect(figures(headline).filter((figure) => !printed.has(figure))).toEqual([]);
});

it.each(['results', 'cross-validation'])(
  'the tables of docs/%s.md have no figure that the printed ones lack',
  async (page) => {
    const text = await readFile(join(ROOT, 'docs', `${page}.md`), 'utf8');
    const part = text.slice(text.indexOf('<!-- written by'), text.indexOf('<!-- end of what'));
    const printed = new Set(figures(await tables(page)));
    expect(figures(rows(part)).length).toBeGreaterThan(20);
    expect(figures(rows(part)).filter((figure) => !printed.has(figure))).toEqual([]);
  },
);

it('the log names every decision, and the decisions are numbered without a gap', async () => {
  const log = await readFile(join(ROOT, 'docs', 'log.md'), 'utf8');
  const names = (await readdir(join(ROOT, 'docs', 'decisions'))).sort();
  expect(names.filter((name) => !log.includes(`decisions/${name}`))).toEqual([]);
  expect(names.map((name) => Number(name.slice(0, 2)))).toEqual(names.map((_, i) => i + 1));
});
