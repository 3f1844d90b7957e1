import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SKIPPED = new Set(['node_modules', 'dist', '.git', '.turbo', '.changeset', 'runs', 'cache', 'api', 'fixtures']);

/** Every Markdown file that people read, by absolute path. `shared` is of the machine, not of the repository. */
async function documents(folder = ROOT): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const found = await Promise.all(
    entries.map(async (entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : documents(path);
      return entry.isFile() && entry.name.endsWith('.md') ? [path] : [];
    }),
  );
  return found.flat();
}

const withoutCode = (text: string): string => text.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '');

/** A heading's anchor, as Markdown's hosts make it. */
function anchorOf(heading: string): string {
  const text = heading.replace(/[`*]/g, '').trim().toLowerCase();
  return text.replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-');
}

async function anchors(path: string): Promise<Set<string>> {
  const text = (await readFile(path, 'utf8')).replace(/^```[\s\S]*?^```/gm, '');
  return new Set([...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading as string)));
}

async function brokenLinks(path: string): Promise<string[]> {
  const broken: string[] = [];
  for (const [, link] of withoutCode(await readFile(path, 'utf8')).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(link as string)) continue;
    const [file = '', anchor] = (link as string).split('#');
    const target = file === '' ? path : join(dirname(path), file);
    const isThere = await stat(target).then(
      () => true,
      () => false,
    );
    if (!isThere || (anchor !== undefined && !(await anchors(target)).has(anchor))) {
      broken.push(`${relative(ROOT, path)}: ${link}`);
    }
  }
  return broken;
}

it('every relative link of every document leads somewhere, to its heading too', async () => {
  const paths = await documents();
  expect(paths.length).toBeGreaterThan(25);
  expect((await Promise.all(paths.map(brokenLinks))).flat()).toEqual([]);
});

it('the index of the documents names every one of them', async () => {
  const index = await readFile(join(ROOT, 'docs', 'README.md'), 'utf8');
  const names = (await readdir(join(ROOT, 'docs'))).filter((name) => name.endsWith('.md') && name !== 'README.md');
  expect(names.filter((name) => !index.includes(name))).toEqual([]);
});
