import { readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, posix, relative } from 'node:path';
import { isBuiltin } from 'node:module';
import ts from 'typescript';
import { readManifest, ROOT, type Manifest } from './workspace.js';

/** What no tarball carries: tests, what only tests use, and notes of the compiler. */
const NEEDLESS =
  /(^|\/)(testing|fixtures|bench|reference|node_modules)\/|\.(test|contract|test-d)\.|\.tsbuildinfo$|(^|\/)tsconfig/;

const NEEDED = ['LICENSE', 'README.md', 'package.json', 'dist/index.js', 'dist/index.d.ts'];

/** Every file below a folder, by path relative to it, with slashes. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .sort();
}

/** Where an export leads, whatever the condition. */
function targets(value: string | Readonly<Record<string, string>>): [string, string][] {
  return typeof value === 'string' ? [['default', value]] : Object.entries(value);
}

function manifestProblems(manifest: Manifest, files: ReadonlySet<string>): string[] {
  const problems: string[] = [];
  for (const [entry, value] of Object.entries(manifest.exports ?? {})) {
    for (const [condition, target] of targets(value)) {
      if (condition === 'source') problems.push(`exports "${entry}" shows the condition "source"`);
      if (!files.has(posix.normalize(target)))
        problems.push(`exports "${entry}" leads to ${target}, which is not there`);
    }
  }
  const { dependencies = {}, optionalDependencies = {}, peerDependencies = {} } = manifest;
  for (const [name, range] of Object.entries({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
    if (/^(workspace|file|link|portal):/.test(range)) problems.push(`${name} has the version "${range}"`);
  }
  for (const field of ['description', 'license', 'version'] as const) {
    if (!manifest[field]) problems.push(`package.json has no ${field}`);
  }
  if (manifest.private) problems.push('package.json says private');
  return problems;
}

/** Packages that the published code or its types name, and that a user may not have. */
function undeclared(manifest: Manifest, path: string, code: string): string[] {
  const declared = { ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.peerDependencies };
  return ts
    .preProcessFile(code, true, true)
    .importedFiles.map(({ fileName }) => fileName)
    .filter((name) => !name.startsWith('.') && !isBuiltin(name))
    .map((name) =>
      name
        .split('/')
        .slice(0, name.startsWith('@') ? 2 : 1)
        .join('/'),
    )
    .filter((name) => name !== manifest.name && !(name in declared))
    .map((name) => `${path} imports ${name}, which package.json does not declare`);
}

/** A source map names files; each has to be in the tarball. */
function mapProblems(path: string, map: string, files: ReadonlySet<string>): string[] {
  const { sources } = JSON.parse(map) as { readonly sources: readonly string[] };
  return sources
    .map((source) => posix.join(dirname(path), source))
    .filter((source) => !files.has(source))
    .map((source) => `${path} leads to ${source}, which is not there`);
}

/**
 * What is wrong with an unpacked package, one line a problem.
 * @param folder where its `package.json` lies
 */
export async function tarballProblems(folder: string): Promise<string[]> {
  const manifest = await readManifest(folder);
  const paths = await filesBelow(folder);
  const files = new Set(paths);
  const problems = [
    ...NEEDED.filter((path) => !files.has(path)).map((path) => `${path} is missing`),
    ...paths.filter((path) => NEEDLESS.test(path)).map((path) => `${path} is needless`),
    ...manifestProblems(manifest, files),
  ];
  for (const path of paths.filter((each) => !/\.(wasm|node|png|jpe?g)$/.test(each))) {
    const text = await readFile(join(folder, path), 'utf8');
    for (const place of [ROOT.replace(/\/$/, ''), homedir()]) {
      if (place.length > 1 && text.includes(`${place}/`))
        problems.push(`${path} names ${place}, a folder of this machine`);
    }
    if (/\.map$/.test(path)) problems.push(...mapProblems(path, text, files));
    if (/\.(js|d\.ts)$/.test(path)) problems.push(...undeclared(manifest, path, text));
  }
  return [...new Set(problems)];
}
