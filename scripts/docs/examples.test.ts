// The examples of docs/extend.md as a stranger has them: compiled to JavaScript, in a folder outside of the workspace that
// finds the built packages as installed ones, under the built programs (`pnpm build`), without a loader of TypeScript.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { transform } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

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

/** A built program in the folder; `NODE_OPTIONS` is not passed on, so that nothing but Node loads the modules. */
const program = (app: string, ...args: string[]) =>
  [
    process.execPath,
    [join(ROOT, 'apps', app, 'dist', 'main.js'), ...args],
    { cwd: folder, env: { ...process.env, NODE_OPTIONS: '' } },
  ] as const;

async function run(app: string, ...args: string[]): Promise<string> {
  return (await execute(...program(app, ...args))).stdout;
}

const train = (out: string, ...args: string[]): Promise<string> =>
  run('train', 'quickstart-smoke', '--out', out, '--cache', 'cache', '--quiet', '--json', ...args);

const evaluate = async (path: string, ...args: string[]): Promise<string[]> => {
  const printed = await run('eval', path, '--cache', 'cache', '--quiet', '--json', ...args);
  return (JSON.parse(printed) as { readonly cells: { cell: string }[] }).cells.map(({ cell }) => cell);
};

const readConfig = async (path: string): Promise<unknown> =>
  (JSON.parse(await readFile(join(folder, path, 'config.json'), 'utf8')) as { readonly config: unknown }).config;

const matching = (pattern: RegExp): string => expect.stringMatching(pattern) as string;

describe('my-dataset and my-disruption', { timeout: 240_000 }, () => {
  it('train a run that knows them by their content, and evaluate it', async () => {
    const dataset = ['--dataset.name', './my-dataset.mjs', '--dataset.options', 'posts=60'];
    await train('runs/own', ...dataset, '--training.disruption', './my-disruption.mjs:0.5:keep=1');
    expect(await readConfig('runs/own')).toMatchObject({
      dataset: { name: matching(/^my-dataset@[0-9a-f]{12}$/), options: { posts: 60 } },
      training: { disruption: matching(/^cut-off@[0-9a-f]{12}:0\.5:keep=1$/) },
    });
    const cells = ['--cells', 'clean,./my-disruption.mjs:0.4:keep=2'];
    const evaluated = await evaluate('runs/own', ...cells, '--own', './my-dataset.mjs');
    expect(evaluated).toEqual(['clean', matching(/^cut-off@[0-9a-f]{12}:0\.4:keep=2$/)]);
    // what a run names is never run by itself
    await expect(evaluate('runs/own', ...cells)).rejects.toThrow(/Own data set my-dataset@[0-9a-f]{12} expected its module to be named/); // prettier-ignore
  });
});

describe('my-method and my-encoder', { timeout: 240_000 }, () => {
  const own = ['--own', './my-method.mjs', '--own', './my-encoder.mjs'];
  const path = 'runs/judge';
  const needed = (kind: string): RegExp =>
    new RegExp(`Own ${kind} [\\w-]+@[0-9a-f]{12} expected its module to be named`);

  beforeAll(async () => {
    const method = ['--method', './my-method.mjs', '--method-options', 'imageShare=0.25'];
    await train(path, ...method, '--encoders.text', './my-encoder.mjs', '--encoders.options.text', 'dim=32');
  }, 240_000);

  it('train a run that knows them by their content, and evaluate it with their modules alone', async () => {
    expect(await readConfig(path)).toMatchObject({
      method: matching(/^late-fusion@[0-9a-f]{12}$/),
      methodOptions: { imageShare: 0.25 },
      encoders: { text: matching(/^hashed-words@[0-9a-f]{12}$/), options: { text: { dim: 32 } } },
    });
    expect(await evaluate(path, '--cells', 'clean', ...own)).toEqual(['clean']);
    await expect(evaluate(path, '--cells', 'clean', ...own.slice(0, 2))).rejects.toThrow(needed('encoder'));
    await expect(evaluate(path, '--cells', 'clean', ...own.slice(2))).rejects.toThrow(needed('method'));
    const misspelt = ['--method', './my-method.mjs', '--method-options', 'imageshare=1'];
    await expect(train('runs/wrong', ...misspelt)).rejects.toThrow(/imageShare/);
  });

  it('judge posts, alone and as a service, whose judge has a process of its own', async () => {
    const ask = (...more: string[]): Promise<string> =>
      run('predict', path, '--text', 'a lovely day', '--json', ...more);
    const judgment = JSON.parse(await ask(...own)) as { readonly label: string };
    await expect(ask()).rejects.toThrow(needed('encoder'));

    const service = ['serve', path, '--port', '0', '--no-page', '--log-level', 'error'] as const;
    await expect(run(...service)).rejects.toThrow(needed('encoder'));
    const child = spawn(...program(...service, ...own));
    onTestFinished(() => void child.kill('SIGKILL'));
    let heard = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => void (heard += text));
    const address = (): string | undefined => /Listening on (\S+)/.exec(heard)?.[1];
    while (child.exitCode === null && address() === undefined) await new Promise((resolve) => setTimeout(resolve, 20));
    const answer = await fetch(`${address() ?? heard}/v1/predict`, {
      method: 'POST',
      body: JSON.stringify({ text: 'a lovely day' }),
      headers: { 'content-type': 'application/json' },
    });
    expect(await answer.json()).toMatchObject(judgment);
    child.kill('SIGTERM');
    await once(child, 'close');
  });

  it('are exported as a head, which says whose features it reads', async () => {
    await expect(run('export', path, '--out', 'exported')).rejects.toThrow(needed('encoder'));
    const card = JSON.parse(await run('export', path, '--out', 'exported', '--json', ...own)) as object;
    const outputs = ['intactImage', 'intactText', 'logits', 'probabilities'].map((name) => ({ name }));
    expect(card).toMatchObject({
      method: matching(/^late-fusion@[0-9a-f]{12}$/),
      queues: null,
      files: { 'head.onnx': { batch: 'any', outputs }, 'model.onnx': { batch: 'any' } },
      notes: expect.arrayContaining([matching(/^The text encoder "hashed-words@[0-9a-f]{12}:text:/)]) as string[],
    });
    await expect(run('predict', 'exported', '--text', 'a lovely day')).rejects.toThrow(/judge by the run itself/);
    const encoder = ['encoder', path, '--modality', 'text', '--out', 'encoder', ...own];
    await expect(run('export', ...encoder)).rejects.toThrow(/expected one that trained its text encoder/);
  });

  it('stand in grids, with simulation, too, by schedules that were chosen for them', async () => {
    const common = ['--experiments', 'quickstart-smoke', '--cache', 'cache', '--jobs', '1', '--json'];
    const both = 'concatenation,./my-method.mjs';
    const tried = ['--methods', both, '--rates', '1e-3', '--epochs', '1', '--store', 'runs/schedule'];
    const schedules = JSON.parse(await run('eval', 'schedule', ...common, ...tried)) as { readonly methods: object };
    expect(Object.keys(schedules.methods)).toEqual(['concatenation', matching(/^late-fusion@[0-9a-f]{12}$/)]);
    const cells = ['--settings', 'C', '--modalities', 'image', '--seeds', '0', '--schedules', 'schedules.json'];
    const grid = ['grid', 'table-1', ...common, ...cells, '--out', 'runs/grid'];
    const outcome = JSON.parse(await run('eval', ...grid, '--methods', `${both},./my-method.mjs+simulation`)) as object;
    expect(outcome).toMatchObject({ done: { trainings: 3 }, failures: [] });
    const ablated = ['grid', 'table-4', ...common, '--out', 'runs/grid', '--ablated', './my-method.mjs'];
    await expect(run('eval', ...ablated)).rejects.toThrow(/--ablated expected names of drf, /);
  });
});
