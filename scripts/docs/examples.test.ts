// The examples of docs/extend.md as a stranger has them: compiled to JavaScript, in a folder outside of the workspace that
// finds the built packages as installed ones, under the built programs (`pnpm build`), without a loader of TypeScript.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { transform } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const EXAMPLES = join(ROOT, 'docs', 'examples');
const execute = promisify(execFile);

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-examples-'));
  const packages = join(folder, 'node_modules', '@drf');
  await mkdir(packages, { recursive: true });
  for (const name of await readdir(join(ROOT, 'packages'))) await symlink(join(ROOT, 'packages', name), join(packages, name), 'dir'); // prettier-ignore
  await symlink(join(ROOT, 'node_modules', 'zod'), join(folder, 'node_modules', 'zod'), 'dir');
  await symlink(join(ROOT, 'node_modules', '@tensorflow'), join(folder, 'node_modules', '@tensorflow'), 'dir');
  for (const file of await readdir(EXAMPLES)) {
    const { code } = await transform(await readFile(join(EXAMPLES, file), 'utf8'), { loader: 'ts', format: 'esm' });
    await writeFile(join(folder, file.replace(/\.ts$/, '.mjs')), code);
  }
});
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

/** Runs a built program in the folder; `NODE_OPTIONS` is not passed on, so that nothing but Node loads the modules. */
async function run(app: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, NODE_OPTIONS: '' };
  const program = join(ROOT, 'apps', app, 'dist', 'main.js');
  const { stdout } = await execute(process.execPath, [program, ...args], { cwd: folder, env });
  return stdout;
}

const train = (out: string, ...args: string[]): Promise<string> =>
  run('train', 'quickstart-smoke', '--out', out, '--cache', 'cache', '--quiet', '--json', ...args);

interface Config {
  readonly config: { readonly dataset: { readonly name: string }; readonly training: { readonly disruption: string } };
}

it('my-dataset and my-disruption train a run that knows them by their content, and evaluate it', async () => {
  const dataset = ['--dataset.name', './my-dataset.mjs', '--dataset.options', 'posts=60'];
  await train('runs/own', ...dataset, '--training.disruption', './my-disruption.mjs:0.5:keep=1');
  const { config } = JSON.parse(await readFile(join(folder, 'runs', 'own', 'config.json'), 'utf8')) as Config;
  expect(config.dataset.name).toMatch(/^my-dataset@[0-9a-f]{12}$/);
  expect(config.training.disruption).toMatch(/^cut-off@[0-9a-f]{12}:0\.5:keep=1$/);

  const cells = ['--cells', 'clean,./my-disruption.mjs:0.4:keep=2'];
  const evaluate = (...more: string[]): Promise<string> =>
    run('eval', 'runs/own', ...cells, '--cache', 'cache', '--quiet', '--json', ...more);
  const evaluated = JSON.parse(await evaluate('--own', './my-dataset.mjs')) as { readonly cells: { cell: string }[] };
  expect(evaluated.cells.map(({ cell }) => cell)).toEqual([
    'clean',
    expect.stringMatching(/^cut-off@[0-9a-f]{12}:0\.4:keep=2$/),
  ]);
  // what a run names is never run by itself
  await expect(evaluate()).rejects.toThrow(/Own data set my-dataset@[0-9a-f]{12} expected its module to be named/);
}, 240_000);

it('my-method trains, is evaluated with its module alone, and is asked for by name where that is missing', async () => {
  await train('runs/method', '--method', './my-method.mjs', '--method-options', 'imageShare=0.25');
  const description = JSON.parse(await readFile(join(folder, 'runs', 'method', 'config.json'), 'utf8')) as {
    readonly config: { readonly method: string; readonly methodOptions: object };
  };
  expect(description.config.method).toMatch(/^late-fusion@[0-9a-f]{12}$/);
  expect(description.config.methodOptions).toEqual({ imageShare: 0.25 });
  const evaluate = (...more: string[]): Promise<string> =>
    run('eval', 'runs/method', '--cells', 'clean', '--cache', 'cache', '--quiet', '--json', ...more);
  const { cells } = JSON.parse(await evaluate('--own', './my-method.mjs')) as { readonly cells: { cell: string }[] };
  expect(cells.map(({ cell }) => cell)).toEqual(['clean']);
  await expect(evaluate()).rejects.toThrow(/Own method late-fusion@[0-9a-f]{12} expected its module to be named/);
  await expect(train('runs/wrong', '--method', './my-method.mjs', '--method-options', 'imageshare=1')).rejects.toThrow(
    /imageShare/,
  );
}, 240_000);
