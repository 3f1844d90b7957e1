// `pnpm install:sizes`: what an installation from npm weighs, and what judging one text takes there.
import { lstat, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { formatTable, startProgress } from '../packages/terminal/src/index.js';
import { packAll } from './packages/pack.js';
import { lastLines, ROOT, run, type Finished } from './packages/workspace.js';

const HELP = `usage: pnpm install:sizes [--export DIR] [--tarballs DIR] [--limit MIB] [--json]

Packs every package (after pnpm build), installs each of these sets by npm alone into an empty folder, and prints what each
dependency weighs there, and the time and peak memory of judging one text by an export:

  library  @drf/judge: judging from code
  predict  @drf/predict-app: judging posts, tables and folders by an export, from the command line
  serve    @drf/predict-app and @drf/serve-app: also over HTTP, with the page
  full     drf-sentiment: everything

Sizes are of the files, in MiB (1,048,576 bytes). Exit code 1 when something fails, or when library or predict weigh more
than the limit.

  --export    folder of an export to judge by (default: one of a small run that is trained for it)
  --tarballs  folder of the tarballs: those that are there are taken as they are, the others are put there
  --limit     MiB that library and predict may weigh (default 350)
  --json      the figures as JSON

examples:
  pnpm install:sizes
  pnpm install:sizes --export exported --json > sizes.json
`;

const { values: options } = parseArgs({
  options: {
    export: { type: 'string' },
    tarballs: { type: 'string' },
    limit: { type: 'string', default: '350' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false, short: 'h' },
  },
});

/** What is installed, and how one text is judged there by the export in `$EXPORT`. */
interface InstalledSet {
  readonly name: string;
  readonly packages: readonly string[];
  readonly judge: (folder: string, exported: string) => readonly string[];
  readonly isLight: boolean;
}

const TEXT = 'What a day!';
const program = (folder: string, path: string): string => join(folder, 'node_modules', path);

const byPredict: InstalledSet['judge'] = (folder, exported) =>
  [program(folder, '@drf/predict-app/dist/main.js'), exported, '--text', TEXT, '--json']; // prettier-ignore

const SETS: readonly InstalledSet[] = [
  {
    name: 'library',
    packages: ['@drf/judge'],
    isLight: true,
    judge: (_, exported) => [
      '--input-type=module',
      '--eval',
      `import { openJudge } from '@drf/judge';
       const judge = await openJudge(${JSON.stringify(exported)});
       console.log(JSON.stringify(await judge.judge({ text: ${JSON.stringify(TEXT)} })));
       await judge.close();`,
    ],
  },
  { name: 'predict', packages: ['@drf/predict-app'], isLight: true, judge: byPredict },
  { name: 'serve', packages: ['@drf/predict-app', '@drf/serve-app'], isLight: false, judge: byPredict },
  {
    name: 'full',
    packages: ['drf-sentiment'],
    isLight: false,
    judge: (folder, exported) => [program(folder, 'drf-sentiment/dist/bin.js'), 'predict', exported, '--text', TEXT, '--json'], // prettier-ignore
  },
];

interface Measured {
  readonly name: string;
  readonly packages: number;
  readonly bytes: number;
  /** By what lies in `node_modules`; those of one scope count together, as they come together. */
  readonly parts: readonly { readonly name: string; readonly bytes: number }[];
  readonly seconds: number;
  readonly peakBytes: number;
  readonly verdict: string;
}

/** Nothing of the workspace is on the way of an installed program; GPU libraries, from outside npm, are left out. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(npm_|PNPM_|NODE_|DRF_|INIT_CWD)/i.test(name));
  return { ...Object.fromEntries(kept), ONNXRUNTIME_NODE_INSTALL: 'skip' };
}

function must(what: string, finished: Finished): Finished {
  if (finished.failed) throw new Error(`${what} failed:\n      ${lastLines(finished, 20)}`);
  return finished;
}

/** The export of a small run, by the built programs of the workspace. */
async function makeExport(folder: string): Promise<string> {
  const [trained, exported] = [join(folder, 'run'), join(folder, 'exported')];
  const commands = [
    ['apps/train/dist/main.js', 'quickstart-smoke', '--out', trained, '--cache', join(folder, 'cache'), '--quiet'],
    ['apps/export/dist/main.js', trained, '--out', exported],
  ];
  for (const words of commands) must(words.join(' '), await run(process.execPath, words, { cwd: ROOT }));
  return exported;
}

/** Bytes below a folder, and how many packages are installed there. */
async function weigh(folder: string): Promise<{ readonly bytes: number; readonly packages: number }> {
  let [bytes, packages] = [0, 0];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue;
    bytes += (await lstat(join(entry.parentPath, entry.name))).size;
    if (entry.name === 'package.json' && /node_modules[\\/](@[^\\/]+[\\/])?[^\\/]+$/.test(entry.parentPath)) packages++;
  }
  return { bytes, packages };
}

/** Prints the most memory that the process held, in KiB, on a line of its own. */
const PEAK = `process.on('exit', () => process.stderr.write('\\npeak ' + process.resourceUsage().maxRSS + '\\n'));`;

async function measure(
  { name, packages, judge }: InstalledSet,
  folder: string,
  tarballs: ReadonlyMap<string, string>,
  exported: string,
): Promise<Measured> {
  await mkdir(folder);
  const files = Object.fromEntries([...tarballs].map(([each, path]) => [each, `file:${path}`]));
  const overrides = Object.fromEntries(Object.entries(files).filter(([each]) => !packages.includes(each)));
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, overrides }));
  const env = plainEnvironment();
  const args = [
    'install',
    ...packages.map((each) => files[each] as string),
    '--no-audit',
    '--no-fund',
    '--prefer-offline',
  ];
  must(`npm install of ${name}`, await run('npm', args, { cwd: folder, env }));
  const modules = join(folder, 'node_modules');
  const found = (await readdir(modules)).filter((each) => !each.startsWith('.'));
  const parts = await Promise.all(found.map(async (each) => ({ name: each, bytes: (await weigh(join(modules, each))).bytes }))); // prettier-ignore
  const words = judge(folder, exported);
  await run(process.execPath, words, { cwd: folder, env }); // so that the files are in the system's memory
  const startedAt = performance.now();
  const preload = ['--import', `data:text/javascript,${encodeURIComponent(PEAK)}`];
  const { output, errors } = must(`judging by ${name}`, await run(process.execPath, [...preload, ...words], { cwd: folder, env })); // prettier-ignore
  const seconds = (performance.now() - startedAt) / 1000;
  const peak = Number(/\npeak (\d+)\n/.exec(errors)?.[1]) * 1024;
  const whole = await weigh(modules);
  parts.sort((a, b) => b.bytes - a.bytes);
  return { name, ...whole, parts, seconds, peakBytes: peak, verdict: output.trim() };
}

const MEBIBYTE = 2 ** 20;
const mebibytes = (bytes: number): string => (bytes / MEBIBYTE).toFixed(0);

function report(all: readonly Measured[], problems: readonly string[]): void {
  if (options.json) {
    console.log(JSON.stringify({ node: process.version, platform: `${process.platform}-${process.arch}`, sets: all, problems }, null, 2)); // prettier-ignore
    return;
  }
  console.log(
    formatTable(
      ['installed', 'packages', 'MiB', 'one text, s', 'peak MiB'],
      all.map(({ name, packages, bytes, seconds, peakBytes }) => [name, packages, mebibytes(bytes), seconds.toFixed(2), mebibytes(peakBytes)]), // prettier-ignore
    ),
  );
  const names = [
    ...new Set(all.flatMap(({ parts }) => parts.filter(({ bytes }) => bytes >= 2 * MEBIBYTE).map(({ name }) => name))),
  ];
  const bytesOf = (measured: Measured, name: string): number => measured.parts.find((part) => part.name === name)?.bytes ?? 0; // prettier-ignore
  names.sort(
    (a, b) => Math.max(...all.map((each) => bytesOf(each, b))) - Math.max(...all.map((each) => bytesOf(each, a))),
  );
  const rows = names.map((name) => [name, ...all.map((each) => (bytesOf(each, name) === 0 ? '' : mebibytes(bytesOf(each, name))))]); // prettier-ignore
  console.log(formatTable(['MiB of', ...all.map(({ name }) => name)], rows));
  for (const problem of problems) console.log(problem);
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'drf-sizes-'));
  const problems: string[] = [];
  const all: Measured[] = [];
  try {
    const tarballs = await packAll(options.tarballs ?? join(folder, 'tarballs'));
    const exported = options.export === undefined ? await makeExport(folder) : resolve(options.export);
    const progress = startProgress({ label: 'installing', total: SETS.length, unit: 'sets' });
    for (const set of SETS) {
      all.push(await measure(set, join(folder, set.name), tarballs, exported));
      progress.update(all.length);
    }
    progress.stop();
    for (const [i, { name, bytes, verdict }] of all.entries()) {
      if (SETS[i]?.isLight === true && bytes > Number(options.limit) * MEBIBYTE) {
        problems.push(`${name} weighs ${mebibytes(bytes)} MiB, more than ${options.limit}`);
      }
      if (verdict !== all[0]?.verdict) problems.push(`${name} judges otherwise than ${all[0]?.name}: ${verdict}`);
    }
  } catch (error) {
    problems.push((error as Error).message);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  report(all, problems);
  if (problems.length > 0) process.exitCode = 1;
}

if (options.help) console.log(HELP);
else await main();
