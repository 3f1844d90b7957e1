import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildPage } from './build/build-page.js';
import { createPageProgram, type PageFile } from './program.js';

let folder: string;
let files: readonly PageFile[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-page-build-'));
  await buildPage(join(folder, 'built'));
  files = JSON.parse(await run(['--out', join(folder, 'site'), '--json'])) as readonly PageFile[];
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function run(args: readonly string[], site: string | undefined = join(folder, 'built')): Promise<string> {
  let printed = '';
  const program = createPageProgram((text) => void (printed += text), site);
  await program.parseAsync([...args], { from: 'user' });
  return printed;
}

describe('pnpm page', () => {
  it('writes a small page that loads the runtime only when it is needed', async () => {
    const sizeOf = (pattern: RegExp): number => files.filter(({ file }) => pattern.test(file)).reduce((sum, { gzipBytes }) => sum + gzipBytes, 0); // prettier-ignore
    expect(sizeOf(/^index\.html$|index-.*\.(js|css)$/)).toBeLessThan(20_000); // what a reader waits for
    expect(sizeOf(/worker-.*\.js$/)).toBeLessThan(40_000);
    const page = await readFile(join(folder, 'site/index.html'), 'utf8');
    expect(page).not.toMatch(/ort-wasm|worker-(?!src)|<style|style=|<script(?![^>]* src=)|https?:\/\//);
    expect(files.filter(({ file }) => /^assets\//.test(file)).every(({ file }) => /-[\w-]{8}\.\w+$/.test(file))).toBe(true); // prettier-ignore
  });

  it('has examples of every emoji set with their credits', async () => {
    const text = await readFile(join(folder, 'site/examples/examples.json'), 'utf8');
    const examples = JSON.parse(text) as { image: string; credit: { license: { title: string } } }[];
    expect(new Set(examples.map(({ credit }) => credit.license.title))).toEqual(new Set(['Apache 2.0', 'MIT', 'CC BY 4.0', 'CC BY-SA 4.0'])); // prettier-ignore
    for (const { image } of examples) expect((await readFile(join(folder, 'site', image))).subarray(1, 4).toString()).toBe('PNG'); // prettier-ignore
  });

  it('refuses a folder with files, and a model that is none', async () => {
    await expect(run(['--out', join(folder, 'site')])).rejects.toThrow('expected a new or empty folder, received files (assets, examples, index.html)'); // prettier-ignore
    await expect(run(['--out', join(folder, 'other'), '--model', folder])).rejects.toThrow(/card\.json/);
  });
});
