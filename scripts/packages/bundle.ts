import { isBuiltin } from 'node:module';
import { build, type Plugin } from 'esbuild';

export interface Bundle {
  /** Minified, without tfjs, which a user's program has once. */
  readonly bytes: number;
  readonly code: string;
  /** Modules of Node that it asks for, with who does: nothing where it runs in browsers. */
  readonly builtins: readonly string[];
  /** Whether it takes tfjs. */
  readonly tfjs: boolean;
  /** What else cannot be bundled. */
  readonly errors: readonly string[];
}

/** Leaves out what Node brings, and writes down who asked for it. */
function recordBuiltins(found: Set<string>): Plugin {
  return {
    name: 'record-builtins',
    setup(build) {
      build.onResolve({ filter: /.*/ }, async ({ path, pluginData, ...options }) => {
        if (pluginData === 'asked' || !isBuiltin(path)) return undefined;
        // a package may say in its "browser" field that it does without
        const answer = await build.resolve(path, { ...options, pluginData: 'asked' });
        if (answer.errors.length === 0 && answer.namespace !== 'file') return answer;
        found.add(`${path} (from ${options.importer.replace(/^.*\/(node_modules|packages)\//, '')})`);
        return { path, external: true };
      });
    },
  };
}

/**
 * Bundles all that an entry exports for browsers, as esbuild does it by itself.
 * @param conditions of exports, beside esbuild's own
 */
export async function bundleForBrowser(
  entry: string,
  resolveDir: string,
  conditions: readonly string[] = [],
): Promise<Bundle> {
  const builtins = new Set<string>();
  const result = await build({
    stdin: { contents: `export * from '${entry}'`, resolveDir },
    bundle: true,
    minify: true,
    write: false,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    logLevel: 'silent',
    metafile: true,
    conditions: [...conditions, 'module'],
    external: ['@tensorflow/tfjs', '*.node'],
    loader: { '.wasm': 'binary' },
    plugins: [recordBuiltins(builtins)],
  }).catch((error: { errors?: { text: string }[] }) => ({
    outputFiles: [],
    metafile: undefined,
    errors: error.errors ?? [{ text: String(error) }],
  }));
  const code = result.outputFiles[0]?.text ?? '';
  const imports = Object.values(result.metafile?.outputs ?? {}).flatMap((output) => output.imports);
  return {
    bytes: Buffer.byteLength(code),
    code,
    builtins: [...builtins].sort(),
    tfjs: imports.some(({ path }) => path === '@tensorflow/tfjs'),
    errors: result.errors.map(({ text }) => text),
  };
}
