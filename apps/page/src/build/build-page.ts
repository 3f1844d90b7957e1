import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DataError, refuser } from '@drf/tensor';
import { build, defaultClientConditions, type Plugin, type Rollup } from 'vite';
import { contentHash, readJson, writeFileAtomic, writeJsonAtomic } from '@drf/files';
import { EmojiImage, emojiSetCredit, type EmojiSetCredit, openDataset, type PostRecord } from '@drf/datasets';

/** The page's own sources; they are bundled from here, whether this runs from `src` or from `dist`. */
const SITE = fileURLToPath(new URL('../../src/site/', import.meta.url));

/** Of all packages that workspace sources name, the page holds code of these. */
const BUNDLED = /^(@drf\/|onnxruntime-web|zod)/;

/**
 * The page takes a few pure functions of packages that as wholes need Node, tfjs or sharp. Those are not read, which
 * spares the bundler some thousand files; a function that needed one of them after all would leave an import behind.
 */
function leaveOut(): Plugin {
  return {
    name: 'drf-leave-out',
    enforce: 'pre',
    resolveId: (id) => (/^[@a-z]/i.test(id) && !/^[a-z]:/i.test(id.replace(/^node:/, '')) && !BUNDLED.test(id) ? { id, external: true, moduleSideEffects: false } : null), // prettier-ignore
    generateBundle: (_: unknown, output: Rollup.OutputBundle) => {
      const files = new Set(Object.keys(output));
      for (const [name, chunk] of Object.entries(output)) {
        // such as a worker of the engine, whose address stands in a module that nothing of the page calls
        const isOutside = (path: string): boolean => path.startsWith('..') && !path.includes('node_modules');
        if (chunk.type === 'asset' && chunk.originalFileNames.some(isOutside)) delete output[name];
        const foreign = chunk.type === 'chunk' ? chunk.imports.filter((name) => !files.has(name)) : [];
        if (foreign.length > 0)
          throw refuser(DataError, `The page's ${chunk.fileName}`)(
            'nothing but code of this workspace, onnxruntime-web and zod',
            `imports of ${foreign.join(', ')}`,
            'keep what needs them out of the modules that apps/page/src/site imports',
          );
      }
    },
  };
}

/** Notes which workspace files the page is made of. */
function collect(sources: Set<string>): Plugin {
  return {
    name: 'drf-sources',
    generateBundle: (_: unknown, output: Rollup.OutputBundle) => {
      for (const chunk of Object.values(output)) {
        if (chunk.type === 'chunk') chunk.moduleIds.forEach((id) => sources.add(id.split('?')[0] as string));
      }
    },
  };
}

/**
 * Bundles the page into a folder.
 * @returns absolute paths of the sources that it holds code of, without those of installed packages
 * @throws DataError when it would need something that no browser has
 */
async function bundle(out: string): Promise<readonly string[]> {
  const sources = new Set<string>();
  const plugins = (): Plugin[] => [leaveOut(), collect(sources)];
  await build({
    configFile: false,
    envFile: false,
    root: SITE,
    base: './',
    publicDir: false,
    logLevel: 'error',
    resolve: { conditions: ['source', 'onnxruntime-web-use-extern-wasm', ...defaultClientConditions] },
    plugins: plugins(),
    worker: { format: 'es', plugins },
    build: {
      outDir: out,
      emptyOutDir: true,
      target: 'es2022',
      assetsInlineLimit: 0, // the policy of the page allows no data: addresses
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
      chunkSizeWarningLimit: 20_000,
    },
  });
  return [...sources].filter((path) => !path.startsWith('\0') && !path.includes('/node_modules/')).sort();
}

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
const MAKERS = ['apps/page/src/build', 'packages/datasets/src/embedded', 'packages/datasets/data'];

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

/** An example post, as `examples.json` has it. */
interface ExampleEntry {
  readonly id: string;
  /** Relative to the page. */
  readonly image: string;
  readonly text: string;
  readonly label: string;
  readonly credit: EmojiSetCredit;
}

/** Of the test split of the embedded data set: each class, each emoji set, and two whose image and text disagree. */
const CHOSEN = ['test-0045', 'test-0012', 'test-0001', 'test-0033', 'test-0024', 'test-0026'];

/** Example posts as files of the page, by path: pictures and `examples/examples.json`. */
async function exampleFiles(): Promise<ReadonlyMap<string, Uint8Array | string>> {
  const dataset = await openDataset({ name: 'embedded' });
  const files = new Map<string, Uint8Array | string>();
  const entries: ExampleEntry[] = [];
  for (const id of CHOSEN) {
    const record = dataset.records.find((each) => each.id === id);
    const picture = pictureOf(id, record);
    const image = `examples/${id}.png`;
    files.set(image, await picture.bytes());
    entries.push({
      id,
      image,
      text: (await dataset.readText(record as PostRecord)) as string,
      label: dataset.classes[(record as PostRecord).label] as string,
      credit: emojiSetCredit(picture.scene.set),
    });
  }
  files.set('examples/examples.json', `${JSON.stringify(entries, null, 2)}\n`);
  return files;
}

function pictureOf(id: string, record: PostRecord | undefined): EmojiImage {
  if (record?.image instanceof EmojiImage) return record.image;
  throw refuser(DataError, `Example post ${id}`)(
    'a post with a picture in the embedded data set',
    record === undefined ? 'no such post' : 'one without',
    'choose others in apps/page/src/build/build-page.ts',
  );
}

/** Where the page of this workspace is kept once it is built. */
const BUILT = fileURLToPath(new URL('../../dist/site/', import.meta.url));
const STAMP = fileURLToPath(new URL('../../dist/site.json', import.meta.url));

/**
 * Builds the page into a folder, which it replaces as a whole.
 * @returns absolute paths of the workspace sources that it holds code of
 */
export async function buildPage(out: string): Promise<readonly string[]> {
  const temporary = join(dirname(out), `.page-${process.pid}`);
  try {
    const sources = await bundle(temporary);
    for (const [name, content] of await exampleFiles()) await writeFileAtomic(join(temporary, name), content);
    await mkdir(dirname(out), { recursive: true });
    await rm(out, { recursive: true, force: true });
    await rename(temporary, out);
    return sources;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/**
 * The folder of this workspace's page, which is built first where it is missing or its sources have changed.
 * @param onBuild told that it takes a moment
 */
export async function pageFolder(onBuild: () => void = () => undefined): Promise<string> {
  if (await isCurrent(STAMP)) return BUILT;
  onBuild();
  await rm(STAMP, { force: true });
  await writeStamp(STAMP, await buildPage(BUILT.replace(/[\\/]$/, '')));
  return BUILT;
}
