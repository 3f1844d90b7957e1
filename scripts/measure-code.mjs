// `node scripts/measure-code.mjs [REVISION …]`: how much code there is, as a table with a column for each revision and one
// for the working tree. Production code is what packages/, apps/ and lab/ hold in src/ without tests, contracts, testing/
// and fixtures/. Type cycles and unused exports need what is installed, so they are of the working tree alone.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const git = (...args) => spawnSync('git', args, { encoding: 'utf8', maxBuffer: 1 << 30 }).stdout;
const CODE = /^(packages|apps|lab)\/[^/]+\/src\/.*\.[mc]?[jt]sx?$/;
const TEST = /\.(test|test-d|contract)\.ts$|\/(testing|fixtures)\//;
const CASTS = /\bas unknown as\b|\bas never\b/g;

/** Paths and texts of a revision's code, or of the working tree's. */
function codeOf(revision) {
  if (revision === undefined) {
    const paths = git('ls-files', '--cached', '--others', '--exclude-standard').split('\n').filter((path) => CODE.test(path)); // prettier-ignore
    return [...new Set(paths)].flatMap((path) => {
      try {
        return [{ path, text: readFileSync(path, 'utf8') }];
      } catch {
        return []; // deleted, and not committed yet
      }
    });
  }
  const paths = git('ls-tree', '-r', '--name-only', revision)
    .split('\n')
    .filter((path) => CODE.test(path));
  const input = paths.map((path) => `${revision}:${path}\n`).join('');
  const { stdout } = spawnSync('git', ['cat-file', '--batch'], { input, maxBuffer: 1 << 30 });
  let at = 0;
  return paths.map((path) => {
    const end = stdout.indexOf('\n', at);
    const size = Number(stdout.subarray(at, end).toString().split(' ')[2]);
    at = end + 1 + size + 1;
    return { path, text: stdout.subarray(end + 1, end + 1 + size).toString() };
  });
}

const linesOf = ({ text }) => text.split('\n').length - 1;
const sum = (values) => values.reduce((total, value) => total + value, 0);

function measure(revision) {
  const code = codeOf(revision);
  const production = code.filter(({ path }) => !TEST.test(path));
  const tests = code.filter(({ path }) => TEST.test(path));
  const casts = (files) => sum(files.map(({ text }) => text.match(CASTS)?.length ?? 0));
  return {
    'production files': production.length,
    'production lines': sum(production.map(linesOf)),
    'production files under 40 lines': production.filter((file) => linesOf(file) < 40).length,
    'production files over 300 lines': production.filter((file) => linesOf(file) > 300).length,
    'casts (as unknown as, as never) in production': casts(production),
    'test files': tests.length,
    'test lines': sum(tests.map(linesOf)),
    'casts in tests': casts(tests),
  };
}

/** What a tool of `pnpm check:code` counts in the working tree. */
function count(tool, args, pattern) {
  const { stdout } = spawnSync('npx', [tool, ...args], { encoding: 'utf8' });
  return sum([...stdout.matchAll(pattern)].map(([, found]) => (found === undefined ? 1 : Number(found))));
}

const columns = [...process.argv.slice(2), undefined].map((revision) => ({
  name: revision ?? 'working tree',
  values: measure(revision),
}));
const tree = columns.at(-1).values;
tree['unused exports'] = count('knip', ['--no-progress', '--include=exports,types', '--preprocessor=./scripts/documented-exports.mjs'], /^Unused export\w*(?: types)? \((\d+)\)/gm); // prettier-ignore
tree['import cycles, of types too'] = count('dpdm', ['--no-warning', '--no-tree', '--no-progress', '{packages,apps,lab}/*/src/**/*.ts'], /^ *\d+\) /gm); // prettier-ignore
console.log(`| measure | ${columns.map(({ name }) => name).join(' | ')} |`);
console.log(`| --- | ${columns.map(() => '---:').join(' | ')} |`);
for (const name of Object.keys(tree)) {
  console.log(`| ${name} | ${columns.map(({ values }) => values[name]?.toLocaleString('en') ?? '–').join(' | ')} |`);
}
