import { readFile, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { contentHash, readJson, writeJsonAtomic } from '@drf/files';
import { SITE } from './bundle.js';

/** What a page was built from: it is built again when anything of this changes. */
interface Stamp {
  readonly format: typeof FORMAT;
  /** Versions of what bundles and what is bundled. */
  readonly packages: Readonly<Record<string, string>>;
  /** Hashes of files by path, relative to the workspace. */
  readonly sources: Readonly<Record<string, string>>;
}

const FORMAT = 'drf-page-1';
const WORKSPACE = fileURLToPath(new URL('../../../../', import.meta.url));
/** What makes the page without being part of it: this app's builder, and the embedded data set. */
const MAKERS = ['apps/page/src/build', 'packages/datasets/src/embedded'];

const require = createRequire(import.meta.url);

/** Notes beside a page what it was made of. */
export async function writeStamp(path: string, sources: readonly string[]): Promise<void> {
  const all = new Set([...sources, ...(await filesOf(SITE)), ...(await makers())]);
  const names = [...all].map((file) => relative(WORKSPACE, file).split(sep).join('/')).sort();
  const stamp: Stamp = { format: FORMAT, packages: packageVersions(), sources: await hashesOf(names) };
  await writeJsonAtomic(path, stamp);
}

/** Whether what a page was made of is as it was. */
export async function isCurrent(path: string): Promise<boolean> {
  const stamp = (await readJson(path).catch(() => null)) as Partial<Stamp> | null;
  if (stamp?.format !== FORMAT || stamp.sources === undefined) return false;
  if (JSON.stringify(stamp.packages) !== JSON.stringify(packageVersions())) return false;
  const there = [...(await filesOf(SITE)), ...(await makers())].map((file) => relative(WORKSPACE, file).split(sep).join('/')); // prettier-ignore
  if (there.some((name) => stamp.sources?.[name] === undefined)) return false; // a new file
  const now = await hashesOf(Object.keys(stamp.sources)).catch(() => null);
  return now !== null && Object.entries(stamp.sources).every(([name, hash]) => now[name] === hash);
}

function packageVersions(): Record<string, string> {
  const versionOf = (name: string): string => {
    const entry = require.resolve(name === 'vite' ? 'vite/package.json' : 'onnxruntime-web/ort-wasm-simd-threaded.mjs');
    return entry.match(/node_modules[\\/]\.pnpm[\\/]([^\\/]+)/)?.[1] ?? entry;
  };
  return { vite: versionOf('vite'), 'onnxruntime-web': versionOf('onnxruntime-web') };
}

async function makers(): Promise<string[]> {
  return (await Promise.all(MAKERS.map((folder) => filesOf(join(WORKSPACE, folder))))).flat();
}

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts')).map((entry) => join(entry.parentPath, entry.name)); // prettier-ignore
}

async function hashesOf(names: readonly string[]): Promise<Record<string, string>> {
  const hash = async (name: string) => [name, contentHash(await readFile(join(WORKSPACE, name))).slice(0, 16)] as const;
  return Object.fromEntries(await Promise.all(names.map(hash)));
}
