import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..');
const CACHE = join(ROOT, 'node_modules', '.cache', 'from-source');
/** In the workspace, below the same name each time, so that the cache does not grow by tests. */
const INSIDE = join(ROOT, 'cache', 'from-source-test');

let outside: string;
beforeAll(async () => {
  outside = await mkdtemp(join(tmpdir(), 'drf-from-source-'));
  await mkdir(INSIDE, { recursive: true });
});
afterAll(async () => {
  for (const folder of [outside, INSIDE]) await rm(folder, { recursive: true, force: true });
});

async function run(folder: string): Promise<{ readonly output: string; readonly errors: string }> {
  const args = ['--import', join(ROOT, 'scripts', 'from-source.mjs'), join(folder, 'main.ts')];
  const ended = await promisify(execFile)(process.execPath, args).catch((error: { stdout: string; stderr: string }) => error); // prettier-ignore
  return { output: ended.stdout, errors: ended.stderr };
}

async function write(folder: string, value: string): Promise<void> {
  await writeFile(join(folder, 'value.ts'), `interface Unused {\n  readonly a: 1;\n}\nexport const value: string = ${value};\n`); // prettier-ignore
  await writeFile(join(folder, 'main.ts'), "import { value } from './value.js';\nconsole.log(value as string);\n");
}

/** Of a source, what the cache holds. */
async function cachedOf(text: string): Promise<readonly string[]> {
  const names = await readdir(CACHE);
  const contents = await Promise.all(names.map((name) => readFile(join(CACHE, name), 'utf8').catch(() => '')));
  return names.filter((_, i) => contents[i]?.includes(text) === true);
}

describe('from-source', () => {
  it('runs what stands in the sources now, whatever it made of them before', async () => {
    for (const value of ["'one'", "'one'", "'another'"]) {
      await write(INSIDE, value);
      expect(await run(INSIDE)).toEqual({ output: `${value.slice(1, -1)}\n`, errors: '' });
    }
    const [name = ''] = await cachedOf("export const value = 'another'");
    await writeFile(join(CACHE, name), '// no output of ts-node\nthrow new Error();\n');
    expect((await run(INSIDE)).output).toBe('another\n');
    expect(await cachedOf("export const value = 'another'")).toEqual([name]);
  });

  it('names the lines of sources in traces, those that the cache holds included', async () => {
    await write(INSIDE, '(() => {\n  throw new Error(`none`);\n})()');
    for (let i = 0; i < 2; i++) expect((await run(INSIDE)).errors).toContain(`${join(INSIDE, 'value.ts')}:5:`);
  });

  it('runs files outside the workspace, of packages that say nothing of ES modules, and keeps nothing of them', async () => {
    await write(outside, "'from outside'");
    expect(await run(outside)).toEqual({ output: 'from outside\n', errors: '' });
    expect(await cachedOf("'from outside'")).toEqual([]);
  });
});
