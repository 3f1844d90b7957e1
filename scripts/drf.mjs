// `pnpm train`, `pnpm eval`, …, `pnpm drf`: the built program of packages/drf, which is built first where that is due, with
// a line that says so at once. To run the sources instead, which starts in some seconds, the first time in ten:
// node --conditions=source --import ./scripts/from-source.mjs packages/drf/src/bin.ts train …
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const ROOT = join(import.meta.dirname, '..');
const STAMP = join(ROOT, 'node_modules', '.cache', 'drf-built');
const SITE = join(ROOT, 'apps', 'page', 'dist', 'site', 'index.html');

const argv = process.argv.slice(process.argv[2] === '--' ? 3 : 2);

const changedAt = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** Of everything below some folders, tests left out. */
function newestOf(folders) {
  const ofEntry = (entry) => (/\.(test|contract)\.ts$/.test(entry.name) ? 0 : changedAt(join(entry.parentPath ?? entry.path, entry.name))); // prettier-ignore
  return Math.max(...folders.flatMap((folder) => readdirSync(folder, { recursive: true, withFileTypes: true }).map(ofEntry))); // prettier-ignore
}

const { references } = JSON.parse(readFileSync(join(ROOT, 'tsconfig.json'), 'utf8'));
const projects = references.map(({ path }) => join(ROOT, path)).filter((path) => !path.startsWith(join(ROOT, 'lab')));
const sources = projects.map((project) => join(project, 'src'));
const settings = projects.flatMap((project) => ['tsconfig.json', 'package.json'].map((name) => join(project, name)));

function isBuilt() {
  if (projects.some((project) => !existsSync(join(project, 'dist', 'index.js')))) return false;
  const since = changedAt(STAMP);
  return newestOf(sources) < since && [...settings, join(ROOT, 'tsconfig.base.json')].every((path) => changedAt(path) < since); // prettier-ignore
}

/** Runs a step of the build; what it prints goes to standard error, since standard output is the command's. */
function build(saying, args) {
  process.stderr.write(`${saying} …\n`);
  const { status } = spawnSync(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 2, 2] });
  if (status === 0) return;
  process.stderr.write('The build failed; what it printed stands above.\n');
  process.exit(1);
}

/** Runs the command in a process with the loader of sources, and ends as it does. */
function runWithLoader(args) {
  const child = spawn(process.execPath, [...args, ...argv], { stdio: 'inherit' });
  process.on('SIGINT', () => undefined); // Ctrl-C reaches the child by itself
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('close', (code, signal) => (process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 143)));
}

const LOADER = pathToFileURL(join(import.meta.dirname, 'from-source.mjs')).href;
const PROGRAM = join(ROOT, 'packages', 'drf', 'dist', 'bin.js');
const asksForHelp = argv.length === 0 || argv.includes('--help') || argv.includes('-h') || argv[0] === 'help';
const helpsFromSource = asksForHelp && !existsSync(PROGRAM); // sooner than the first build

if (!helpsFromSource && !isBuilt()) {
  const startedAt = new Date();
  build('Building what changed (a minute when nothing was built yet)', [join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '--build', ...projects]); // prettier-ignore
  mkdirSync(dirname(STAMP), { recursive: true });
  writeFileSync(STAMP, '');
  utimesSync(STAMP, startedAt, startedAt); // what changed meanwhile is built next time
}
const showsPage = ['serve', 'page'].includes(argv[0]) && !asksForHelp;
if (showsPage && changedAt(SITE) < newestOf([join(ROOT, 'apps', 'page', 'src'), ...sources])) {
  build('Building the page', [join(ROOT, 'apps', 'page', 'dist', 'build', 'main.js')]);
}

// Modules of one's own may be TypeScript, which Node before 22.18 does not load, nor do the processes that it starts.
const hasOwnTypeScript = argv.some((word) => /\.[mc]?ts(:|$)/.test(word));
if (helpsFromSource) {
  runWithLoader(['--conditions=source', '--import', LOADER, join(ROOT, 'packages', 'drf', 'src', 'bin.ts')]);
} else if (hasOwnTypeScript && !process.features.typescript) {
  runWithLoader(['--import', LOADER, PROGRAM]);
} else {
  const { runDrf } = await import(pathToFileURL(join(ROOT, 'packages', 'drf', 'dist', 'commands.js')).href);
  await runDrf(argv);
}
