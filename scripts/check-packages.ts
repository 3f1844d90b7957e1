// `pnpm check:packages`: packs every package, and looks at the tarballs as a stranger gets them.
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { formatTable, startProgress } from '../packages/terminal/src/index.js';
import { bundleForBrowser } from './packages/bundle.js';
import {
  installConsumer,
  loadAll,
  RESOLUTIONS,
  tfjsProblems,
  typecheck,
  type Resolution,
} from './packages/consumer.js';
import { missingFromInstall, readExample, runExample, type Example } from './packages/examples.js';
import { publintProblems, typesProblems } from './packages/lint.js';
import { pack, type Tarball } from './packages/pack.js';
import { tarballProblems } from './packages/tarball.js';
import {
  BROWSER_PACKAGES,
  entriesOf,
  lastLines,
  readManifest,
  ROOT,
  run,
  WITHOUT_TFJS,
  workspacePackages,
  type WorkspacePackage,
} from './packages/workspace.js';

const HELP = `usage: pnpm check:packages [--no-build] [--tarballs DIR] [--keep] [--json]

Builds, packs every package, and checks each tarball: its files and manifest, publint, the types (attw), then all of them
installed by npm into an empty project: import and require, the README's example run and compiled under both kinds of
resolution, and a bundle for browsers. Then by pnpm into another, without hoisting, so that each package finds only what it
declares: import, require, types, and the example of docs/packages.md. Exit code 1 on any problem.

  --no-build   take dist/ as it is
  --tarballs   folder of the tarballs: those that are there are taken as they are, the others are put there
  --keep       leave the folder of the tarballs and of the project, and say where it is
  --json       the table and the problems as JSON

examples:
  pnpm check:packages
  pnpm --silent check:packages --json > packages.json
`;

const { values: options } = parseArgs({
  options: {
    'no-build': { type: 'boolean', default: false },
    tarballs: { type: 'string' },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false, short: 'h' },
  },
});

interface Row {
  readonly name: string;
  readonly version: string;
  readonly kind: WorkspacePackage['kind'];
  readonly tarball: Tarball;
  readonly example: Example | undefined;
  readonly problems: string[];
  browser: string;
}

/** Tarballs, and what can be said of each by itself. */
async function packAll(folder: string): Promise<Row[]> {
  const packages = await workspacePackages();
  const progress = startProgress({ label: 'packing', total: packages.length, unit: 'packages' });
  const rows: Row[] = [];
  for (const each of packages) {
    const tarball = await pack(each, folder);
    const manifest = await readManifest(tarball.folder);
    const problems = [
      ...(await tarballProblems(tarball.folder)),
      ...(await publintProblems(tarball, manifest)),
      ...(await typesProblems(tarball)),
    ];
    // a command is used from the command line: scripts/check-install.ts does
    const example =
      each.kind === 'command'
        ? undefined
        : await readExample(tarball.folder).catch((error: Error) => void problems.push(error.message));
    if (example) {
      problems.push(...missingFromInstall(example).map((name) => `the README's npm install line lacks ${name}`));
    }
    rows.push({
      name: manifest.name,
      kind: each.kind,
      version: manifest.version,
      tarball,
      example: example ?? undefined,
      problems,
      browser: '',
    });
    progress.update(rows.length);
  }
  progress.stop();
  return rows;
}

/** A trained run, for the examples that open `runs/quickstart`. */
async function trainRun(folder: string): Promise<string> {
  const path = join(folder, 'quickstart');
  const args = [
    'apps/train/dist/main.js',
    'quickstart-smoke',
    '--out',
    path,
    '--cache',
    join(folder, 'cache'),
    '--quiet',
  ];
  const trained = await run(process.execPath, args, { cwd: ROOT });
  if (trained.failed) throw new Error(`training a small run failed: ${lastLines(trained)}`);
  return path;
}

/** The run's export, for the examples that open `exported`. */
async function exportRun(folder: string, trained: string): Promise<string> {
  const path = join(folder, 'exported');
  const written = await run(process.execPath, ['apps/export/dist/main.js', trained, '--out', path], { cwd: ROOT });
  if (written.failed) throw new Error(`exporting the small run failed: ${lastLines(written)}`);
  return path;
}

/** A package's name without its scope, which its example's file has. */
const short = (name: string): string => name.replace('@drf/', '');

/** Compiles every example, and runs that of all packages together. */
async function checkExamples(
  consumer: string,
  rows: readonly Row[],
  resolutions: readonly Resolution[],
): Promise<void> {
  for (const { name, example } of rows) {
    if (example) await writeFile(join(consumer, 'examples', `${short(name)}.ts`), example.code);
  }
  const page = await readExample(join(ROOT, 'docs', 'packages.md'));
  await writeFile(join(consumer, 'examples', 'docs-packages.ts'), page.code);
  for (const resolution of resolutions) {
    const found = await typecheck(consumer, resolution);
    for (const row of rows) row.problems.push(...(found.get(short(row.name)) ?? []));
    const elsewhere = [...found].filter(([name]) => !rows.some((row) => short(row.name) === name)).flat(2);
    if (elsewhere.length > 0) throw new Error(`the examples do not compile: ${elsewhere.join('\n')}`);
  }
  const composed = await runExample(join(consumer, 'out-nodenext', 'docs-packages.js'), consumer, page.shown);
  if (composed.length > 0) throw new Error(`docs/packages.md: ${composed.join()}`);
}

/** What the installed packages do in a project of their own. */
async function checkInstalled(
  consumer: string,
  rows: readonly Row[],
  trained: string,
  exported: string,
): Promise<void> {
  await checkExamples(consumer, rows, RESOLUTIONS);
  await checkLoading(consumer, rows);
  rows.find(({ name }) => name === '@drf/engine')?.problems.push(...(await tfjsProblems(consumer)));
  const progress = startProgress({ label: 'trying', total: rows.length, unit: 'packages' });
  for (const [index, row] of rows.entries()) {
    const cwd = join(consumer, 'cwd', short(row.name));
    await mkdir(join(cwd, 'runs'), { recursive: true });
    await symlink(trained, join(cwd, 'runs', 'quickstart'), 'dir');
    await symlink(exported, join(cwd, 'exported'), 'dir');
    const program = join(consumer, 'out-nodenext', `${short(row.name)}.js`);
    if (row.example) row.problems.push(...(await runExample(program, cwd, row.example.shown)));
    if (row.kind === 'library') await checkBundle(consumer, row);
    progress.update(index + 1);
  }
  progress.stop();
}

/** Every entry of every package by import and by require. */
async function checkLoading(consumer: string, rows: readonly Row[]): Promise<void> {
  const owners = new Map<string, Row>();
  for (const row of rows) {
    const manifest = await readManifest(row.tarball.folder);
    for (const entry of entriesOf(manifest)) {
      if (entry === './browser') continue; // for browsers, which have onnxruntime-web; nothing of Node loads it
      owners.set(`${row.name}${entry.slice(1)}`, row);
    }
  }
  for (const how of ['import', 'require'] as const) {
    for (const [name, problem] of await loadAll(consumer, [...owners.keys()], how))
      owners.get(name)?.problems.push(problem);
  }
}

async function checkBundle(consumer: string, row: Row): Promise<void> {
  const { bytes, builtins, errors, tfjs } = await bundleForBrowser(row.name, consumer);
  const forBrowsers = BROWSER_PACKAGES.includes(row.name);
  const fits = builtins.length === 0 && errors.length === 0;
  row.browser = fits ? `${(bytes / 1024).toFixed(0)} KiB${tfjs ? ' + tfjs' : ''}` : 'needs Node';
  if (forBrowsers && !fits) row.problems.push(`does not bundle for browsers: ${[...builtins, ...errors].join(', ')}`);
  if (!forBrowsers && fits) row.problems.push('bundles for browsers: add it to BROWSER_PACKAGES');
  if (WITHOUT_TFJS.includes(row.name) && tfjs) row.problems.push('its bundle takes tfjs');
}

function report(rows: readonly Row[]): void {
  if (options.json) {
    const packages = rows.map(({ name, version, tarball, browser, problems }) => {
      const { bytes, unpackedBytes, files } = tarball;
      return { name, version, bytes, unpackedBytes, files, browser, problems };
    });
    console.log(JSON.stringify({ node: process.version, packages }, null, 2));
    return;
  }
  const kibibytes = (bytes: number): string => (bytes / 1024).toFixed(0);
  console.log(
    formatTable(
      ['package', 'version', 'KiB', 'unpacked', 'files', 'bundle for browsers', 'example', 'problems'],
      rows.map(({ name, version, tarball, browser, example, problems }) => [
        name,
        version,
        kibibytes(tarball.bytes),
        kibibytes(tarball.unpackedBytes),
        tarball.files,
        browser,
        example === undefined ? '' : example.shown === null ? 'runs' : 'prints as shown',
        problems.length,
      ]),
    ),
  );
  for (const { name, problems } of rows) for (const problem of problems) console.log(`${name}: ${problem}`);
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'drf-packages-'));
  try {
    if (!options['no-build']) {
      // the compiler leaves what it once made of a source that is gone, and so would a tarball
      for (const { folder: own } of await workspacePackages()) await rm(join(own, 'dist'), { recursive: true, force: true }); // prettier-ignore
      const built = spawnSync(process.execPath, ['scripts/build.mjs', '--force'], {
        cwd: ROOT,
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { ...process.env, PATH: `${join(ROOT, 'node_modules', '.bin')}:${process.env['PATH']}` },
      });
      if (built.status !== 0) throw new Error('the build failed');
    }
    const rows = await packAll(options.tarballs ?? folder);
    const tarballs = new Map(rows.map(({ name, tarball }) => [name, tarball.path]));
    const consumer = join(folder, 'consumer');
    await installConsumer(consumer, tarballs, 'npm');
    const trained = await trainRun(folder);
    await checkInstalled(consumer, rows, trained, await exportRun(folder, trained));
    const strict = join(folder, 'strict');
    await installConsumer(strict, tarballs, 'pnpm');
    const strictly = rows.map((row) => ({ ...row, problems: [] }));
    await checkExamples(strict, strictly, ['nodenext']);
    await checkLoading(strict, strictly);
    for (const [i, { problems }] of strictly.entries())
      rows[i]?.problems.push(...problems.map((each) => `pnpm: ${each}`));
    report(rows);
    if (rows.some(({ problems }) => problems.length > 0)) process.exitCode = 1;
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  } finally {
    if (options.keep) console.error(`kept: ${folder}`);
    else await rm(folder, { recursive: true, force: true });
  }
}

if (options.help) console.log(HELP);
else await main();
