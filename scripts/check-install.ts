// `pnpm check:install`: the whole way of a user who has nothing but Node and npm, in a folder outside of any workspace.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { lstat, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { formatTable } from '../packages/terminal/src/index.js';
import { packAll } from './packages/pack.js';
import { lastLines, run, type Finished } from './packages/workspace.js';

const HELP = `usage: pnpm check:install [--tarballs DIR] [--node VERSION]... [--keep] [--json]

Packs every package (after pnpm build), installs drf-sentiment from the tarballs by npm into an empty folder, and takes the way
of docs/own-data.md there by npx: data sample, train, eval, predict, export, predict by the export, serve with its page. No
command may say "pnpm", write into the installation, or leave a file in the folder that was not asked for. Prints times and
what each dependency weighs. Exit code 1 on any problem.

  --tarballs   folder of the tarballs: those that are there are taken as they are, the others are put there
  --node       also --version and a prediction under this version of Node, which npm installs (package "node"); repeat it
  --keep       leave the folder, and say where it is
  --json       times, sizes and problems as JSON

examples:
  pnpm check:install
  pnpm check:install --node 22 --node 24
`;

const { values: options } = parseArgs({
  options: {
    tarballs: { type: 'string' },
    node: { type: 'string', multiple: true, default: [] },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false, short: 'h' },
  },
});

interface Step {
  readonly command: string;
  readonly seconds: number;
}

interface Size {
  readonly name: string;
  readonly bytes: number;
}

const steps: Step[] = [];
let sizes: readonly Size[] = [];
const problems: string[] = [];

/** The environment of someone who never saw the workspace: its programs are not on the path, caches have a folder. */
function strangersEnvironment(folder: string): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) =>
      !/^(npm_(?!config_(registry|cafile|cache)$)|PNPM_|NODE_(ENV|OPTIONS|PATH)$|DRF_|INIT_CWD|XDG_)/i.test(name),
  );
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((each) => !each.includes('node_modules'));
  return {
    ...Object.fromEntries(kept),
    PATH: path.join(delimiter),
    XDG_CACHE_HOME: join(folder, 'cache-home'),
    // the one script that would fetch something from outside npm: GPU libraries
    ONNXRUNTIME_NODE_INSTALL: 'skip',
  };
}

/** An empty folder with drf-sentiment in it. The overrides stand for the registry, which has none of this yet. */
async function install(folder: string, tarballs: ReadonlyMap<string, string>, env: NodeJS.ProcessEnv): Promise<void> {
  await mkdir(folder);
  const files = Object.fromEntries([...tarballs].map(([name, path]) => [name, `file:${path}`]));
  const { 'drf-sentiment': drf, ...overrides } = files;
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, overrides }));
  const args = ['install', drf as string, '--no-audit', '--no-fund', '--prefer-offline'];
  await timed('npm install drf-sentiment', () => run('npm', args, { cwd: folder, env }));
}

/** @throws Error with the end of what a failed command printed */
async function timed(command: string, start: () => Promise<Finished>): Promise<Finished> {
  const startedAt = performance.now();
  const finished = await start();
  steps.push({ command, seconds: (performance.now() - startedAt) / 1000 });
  if (finished.failed) throw new Error(`${command} failed:\n      ${lastLines(finished, 20)}`);
  return finished;
}

/** Runs `npx drf` and sees to it that it speaks of nothing that is not there. */
async function drf(words: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Promise<string> {
  const command = `npx drf ${words.map((word) => (/\s/.test(word) ? JSON.stringify(word) : word)).join(' ')}`;
  const { output, errors } = await timed(command, () => run('npx', ['drf', ...words], { cwd, env }));
  if (/pnpm/.test(output + errors)) problems.push(`${command} says pnpm: ${/.*pnpm.*/.exec(output + errors)?.[0]}`);
  return output;
}

/** How many files and bytes lie below a folder, and when one of them last changed. */
async function stateOf(folder: string): Promise<{ files: number; bytes: number; changed: number }> {
  let [files, bytes, changed] = [0, 0, 0];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue;
    const stats = await lstat(join(entry.parentPath, entry.name));
    [files, bytes, changed] = [files + 1, bytes + stats.size, Math.max(changed, stats.mtimeMs)];
  }
  return { files, bytes, changed };
}

/** What each installed package weighs; those of one scope count together, as they come together. */
async function sizesOf(modules: string): Promise<Size[]> {
  const names = (await readdir(modules)).filter((name) => !name.startsWith('.'));
  const sizes = names.map(async (name) => ({ name, bytes: (await stateOf(join(modules, name))).bytes }));
  return (await Promise.all(sizes)).sort((a, b) => b.bytes - a.bytes);
}

/** Serves the run, asks for the page and for a judgment, and ends it as a service manager would. */
async function checkService(run: string, cwd: string, env: NodeJS.ProcessEnv): Promise<void> {
  const startedAt = performance.now();
  const program = join(cwd, 'node_modules', '.bin', 'drf');
  const service = spawn(program, ['serve', run, '--port', '0', '--log-level', 'error'], {
    cwd,
    env,
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  try {
    const address = await addressOf(service);
    steps.push({ command: `npx drf serve ${run} (until it listens)`, seconds: (performance.now() - startedAt) / 1000 });
    const page = await fetch(address);
    const html = await page.text();
    if (!page.ok || !/<script type="module"/.test(html)) problems.push(`serve shows no page: ${page.status} ${html.slice(0, 80)}`); // prettier-ignore
    const asked = performance.now();
    const body = JSON.stringify({ text: 'What a day!' });
    const answer = await fetch(`${address}/v1/predict`, { method: 'POST', headers: { 'content-type': 'application/json' }, body }); // prettier-ignore
    steps.push({ command: 'POST /v1/predict', seconds: (performance.now() - asked) / 1000 });
    const { label } = (await answer.json()) as { readonly label?: string };
    if (label === undefined) problems.push(`serve judges nothing: ${answer.status}`);
  } finally {
    service.kill('SIGTERM');
    if (service.exitCode === null) await once(service, 'close');
  }
  if (service.exitCode !== 0) problems.push(`serve ended with ${service.exitCode ?? service.signalCode}`);
}

/** @throws Error with what it printed when it ends before it listens */
async function addressOf(service: ChildProcess): Promise<string> {
  const said: string[] = [];
  if (service.stderr === null) throw new Error('serve has no standard error');
  for await (const line of createInterface({ input: service.stderr })) {
    said.push(line);
    const [address] = /http:\/\/\S+?(?=[.,]?(\s|$))/.exec(line) ?? [];
    if (address !== undefined && line.startsWith('Listening')) {
      if (said.some((each) => each.includes('pnpm'))) problems.push(`serve says pnpm: ${said.join(' / ')}`);
      service.stderr.resume();
      return address;
    }
  }
  throw new Error(`serve ended: ${said.join('\n      ')}`);
}

/** The whole way, with the Node that runs this. @returns the run and its export */
async function takeTheWay(cwd: string, env: NodeJS.ProcessEnv): Promise<{ run: string; exported: string }> {
  const trained = 'runs/mine';
  await drf(['--version'], cwd, env);
  for (const name of await commandNames(cwd, env)) await drf([name, '--help'], cwd, env);
  await drf(['data', 'sample', '--out', 'my-posts', '--posts', '60'], cwd, env);
  await drf(['train', '--data', 'my-posts/posts.csv', '--training.epochs', '2', '--out', trained], cwd, env);
  await drf(['eval', trained, '--cells', 'clean'], cwd, env);
  await drf(['predict', trained, '--text', 'What a day!'], cwd, env);
  await drf(['predict', trained, 'my-posts/posts.csv', '--out', 'judged.csv'], cwd, env);
  await drf(['export', trained, '--out', 'exported'], cwd, env);
  await drf(['predict', 'exported', '--text', 'What a day!', '--json'], cwd, env);
  await drf(['page', '--out', 'site', '--model', 'exported'], cwd, env);
  await checkService(trained, cwd, env);
  return { run: trained, exported: 'exported' };
}

/** The commands that `drf --help` lists. */
async function commandNames(cwd: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  const help = await drf(['--help'], cwd, env);
  const listed = /\nCommands:\n([\s\S]*?)\n\n/.exec(help)?.[1] ?? '';
  const names = [...listed.matchAll(/^ {2}(\w+)/gm)]
    .map(([, name]) => name as string)
    .filter((name) => name !== 'help');
  if (names.length < 10) problems.push(`drf --help lists ${names.join(', ') || 'no commands'}`);
  return names;
}

/** Another Node, as npm has it. */
async function checkUnder(
  version: string,
  folder: string,
  cwd: string,
  model: string,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  // prettier-ignore
  const home = join(folder, `node-${version}`);
  await mkdir(home);
  const args = ['install', '--prefix', home, `node@${version}`, '--no-audit', '--no-fund', '--prefer-offline'];
  await timed(`npm install node@${version}`, () => run('npm', args, { cwd: home, env }));
  const program = join(home, 'node_modules', 'node', 'bin', 'node');
  const bin = join(cwd, 'node_modules', 'drf-sentiment', 'dist', 'bin.js');
  const { output } = await run(program, ['--version'], { cwd, env });
  if (!output.startsWith(`v${version}`)) problems.push(`node@${version} calls itself ${output.trim() || 'nothing'}`);
  for (const words of [['--version'], ['predict', model, '--text', 'What a day!', '--json']]) {
    await timed(`${words.slice(0, 2).join(' ')} under Node ${output.trim()}`, () => run(program, [bin, ...words], { cwd, env })); // prettier-ignore
  }
}

const EXPECTED = ['cache-home', 'exported', 'judged.csv', 'my-posts', 'node_modules', 'package-lock.json', 'package.json', 'runs', 'site']; // prettier-ignore

async function check(folder: string): Promise<void> {
  const env = strangersEnvironment(folder);
  const tarballs = await packAll(options.tarballs ?? join(folder, 'tarballs'));
  const cwd = join(folder, 'project');
  await install(cwd, tarballs, env);
  const modules = join(cwd, 'node_modules');
  const before = await stateOf(modules);
  sizes = [{ name: 'all', bytes: before.bytes }, ...(await sizesOf(modules))];
  const { exported } = await takeTheWay(cwd, env);
  for (const version of options.node) await checkUnder(version, folder, cwd, exported, env);
  const after = await stateOf(modules);
  if (JSON.stringify(before) !== JSON.stringify(after)) {
    problems.push(`the installation was written to: ${JSON.stringify(before)} became ${JSON.stringify(after)}`);
  }
  const unasked = (await readdir(cwd)).filter((name) => !EXPECTED.includes(name));
  if (unasked.length > 0) problems.push(`files that nobody asked for: ${unasked.join(', ')}`);
}

function report(): void {
  if (options.json) {
    console.log(JSON.stringify({ node: process.version, steps, sizes, problems }, null, 2));
    return;
  }
  console.log(formatTable(['command', 'seconds'], steps.map(({ command, seconds }) => [command, seconds.toFixed(1)]))); // prettier-ignore
  const large = sizes.filter(({ bytes }) => bytes >= 2e6);
  console.log(formatTable(['installed', 'MB'], large.map(({ name, bytes }) => [name, (bytes / 1e6).toFixed(0)]))); // prettier-ignore
  for (const problem of problems) console.log(problem);
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'drf-install-'));
  try {
    await check(folder);
  } catch (error) {
    problems.push((error as Error).message);
  } finally {
    report();
    if (problems.length > 0) process.exitCode = 1;
    if (options.keep) console.error(`kept: ${folder}`);
    else await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

if (options.help) console.log(HELP);
else await main();
