import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DataError, refuser } from '@drf/tensor';
import { build, defaultClientConditions, type Plugin, type Rollup } from 'vite';
import { writeFileAtomic } from '@drf/files';
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

/**
 * Bundles the page into a folder.
 * @throws DataError when it would need something that no browser has
 */
async function bundle(out: string): Promise<void> {
  const plugins = (): Plugin[] => [leaveOut()];
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

/** Builds the page into a folder, which it replaces as a whole. */
export async function buildPage(out: string): Promise<void> {
  const temporary = join(dirname(out), `.page-${process.pid}`);
  try {
    await bundle(temporary);
    for (const [name, content] of await exampleFiles()) await writeFileAtomic(join(temporary, name), content);
    await mkdir(dirname(out), { recursive: true });
    await rm(out, { recursive: true, force: true });
    await rename(temporary, out);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
