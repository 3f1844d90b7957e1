// The programs of docs/library.md as a stranger has them: outside of the workspace, with the built packages installed, one
// after the other, since each works on what the ones before it made.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { transform } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const execute = promisify(execFile);

/** The TypeScript programs of a document. */
async function programsOf(...path: string[]): Promise<string[]> {
  const text = await readFile(join(ROOT, ...path), 'utf8');
  return [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code as string);
}

const page = await programsOf('docs', 'library.md');
const programs = [...page, ...(await programsOf('packages', 'drf', 'README.md'))];

/** Squares of 8 × 8 pixels, as PNG. */
const PICTURES = {
  good: 'iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAMAAADz0U65AAAAA1BMVEX/zDPBffBjAAAADElEQVQImWNgoA4AAABIAAF7pRHIAAAAAElFTkSuQmCC',
  bad: 'iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAMAAADz0U65AAAAA1BMVEUiM2bMCQ4JAAAADElEQVQImWNgoA4AAABIAAF7pRHIAAAAAElFTkSuQmCC',
};

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-library-page-'));
  await mkdir(join(folder, 'node_modules', '@types'), { recursive: true });
  await symlink(join(ROOT, 'packages', 'drf'), join(folder, 'node_modules', 'drf-sentiment'), 'dir');
  await symlink(join(ROOT, 'node_modules', '@types', 'node'), join(folder, 'node_modules', '@types', 'node'), 'dir');
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  for (const [name, png] of Object.entries(PICTURES)) await writeFile(join(folder, `${name}.png`), png, 'base64');
  const rows = Array.from({ length: 60 }, (_, i) => {
    const [label, word] = i % 2 === 0 ? ['good', 'lovely'] : ['bad', 'awful'];
    return `what a ${word} day number ${i},${i % 5 === 0 ? '' : `${label}.png`},${label}`;
  });
  await writeFile(join(folder, 'posts.csv'), ['text,image,label', ...rows].join('\n'));
});
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

/** What a program prints. */
async function run(index: number): Promise<string> {
  const { code } = await transform(programs[index] as string, { loader: 'ts', format: 'esm', target: 'node20' });
  await writeFile(join(folder, `program-${index}.js`), code);
  const env = { ...process.env, NODE_OPTIONS: '', DRF_CACHE: join(folder, 'cache') };
  const { stdout, stderr } = await execute(process.execPath, [`program-${index}.js`], { cwd: folder, env });
  expect(stderr).toBe('');
  return stdout;
}

describe('docs/library.md', { timeout: 240_000 }, () => {
  it('trains, scores, judges and exports', async () => {
    expect(await run(0)).toMatch(/^[\d.]+ good .*posts-drf-seed0\n$/);
  });

  it('trains on rows as they come', async () => {
    expect(await run(1)).toMatch(/^(epoch \d: loss [\d.]+\n){3}[\d.]+ 40 0\n$/);
  });

  it('judges posts in any form, streams and ensembles', async () => {
    const lines = await run(2);
    expect(lines.match(/\{ bad: [\d.e-]+, good: [\d.e-]+ \}/g)).toHaveLength(3);
    expect(lines).toMatch(/post 1 is left out: Post 1, The post expected text or an image/);
    expect(lines).toMatch(/no judgment\n(good|bad) 2\n$/);
  });

  it('evaluates and exports a run that was trained before', async () => {
    expect(await run(3)).toMatch(
      /^clean .*\nfixed:image:C .*\nrandom:0.6:D .*\nfixed:text:typos@3 .*\n\S+test reports\/fresh [\d.]+\n\[ 'bad', 'good' \]\n$/,
    );
  });

  it('goes on where it was interrupted', async () => {
    expect(await run(4)).toMatch(/^\d+\n$/);
    expect(page).toHaveLength(5);
  });

  it('has a beginning in the package’s README, which works by itself', async () => {
    expect(await run(5)).toMatch(/^good \{ bad: [\d.e-]+, good: [\d.e-]+ \} [\d.]+\n$/);
    expect(programs).toHaveLength(6);
  });

  it('compiles under strict types', async () => {
    for (const [i, code] of programs.entries()) await writeFile(join(folder, `program-${i}.ts`), code);
    const compilerOptions = { strict: true, noEmit: true, module: 'nodenext', target: 'es2022', skipLibCheck: true, types: ['node'] }; // prettier-ignore
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
    const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    await execute(process.execPath, [compiler, '--project', '.'], { cwd: folder }).catch(
      (error: { stdout: string }) => {
        throw new Error(error.stdout);
      },
    );
  });
});
