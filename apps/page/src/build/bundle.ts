import { fileURLToPath } from 'node:url';
import { DataError } from '@drf/tensor';
import { build, defaultClientConditions, type Plugin, type Rollup } from 'vite';

/** The page's own sources; they are bundled from here, whether this runs from `src` or from `dist`. */
export const SITE = fileURLToPath(new URL('../../src/site/', import.meta.url));

/** Of all packages that workspace sources name, the page holds code of these. */
const BUNDLED = /^(@drf\/|onnxruntime-web)/;

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
      for (const chunk of Object.values(output)) {
        const foreign = chunk.type === 'chunk' ? chunk.imports.filter((name) => !files.has(name)) : [];
        if (foreign.length > 0) throw notForBrowsers(chunk.fileName, foreign);
      }
    },
  };
}

function notForBrowsers(file: string, foreign: readonly string[]): DataError {
  return new DataError({
    subject: `The page's ${file}`,
    expected: 'nothing but code of this workspace and onnxruntime-web',
    received: `imports of ${foreign.join(', ')}`,
    remedy: 'keep what needs them out of the modules that apps/page/src/site imports',
  });
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
export async function bundle(out: string): Promise<readonly string[]> {
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
