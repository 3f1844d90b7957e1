import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { lastLines, pnpm, ROOT, run } from './workspace.js';

/** Kinds of resolution that TypeScript users have today. */
export const RESOLUTIONS = ['nodenext', 'bundler'] as const;
export type Resolution = (typeof RESOLUTIONS)[number];

/** What a user may install with; pnpm so that a package finds only what it declares, npm as it does. */
export type Manager = 'npm' | 'pnpm';

/** What tfjs loads without declaring it, as docs/troubleshooting.md tells users of such a layout. */
const UNDECLARED = {
  '@tensorflow/tfjs@*': { dependencies: { long: '4.0.0', seedrandom: '^3.0.5' } },
  '@tensorflow/tfjs-converter@*': { dependencies: { seedrandom: '^3.0.5' } },
};

/**
 * An empty project with the tarballs installed, which takes them from nowhere else.
 * @param tarballs paths by package name
 * @throws Error with what the manager printed
 */
export async function installConsumer(
  folder: string,
  tarballs: ReadonlyMap<string, string>,
  manager: Manager,
): Promise<void> {
  await mkdir(join(folder, 'examples'), { recursive: true });
  const files = Object.fromEntries([...tarballs].map(([name, path]) => [name, `file:${path}`]));
  const root = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
    readonly devDependencies: Readonly<Record<string, string>>;
  };
  const tools = Object.fromEntries(['typescript', '@types/node'].map((name) => [name, root.devDependencies[name]]));
  const manifest = {
    name: 'consumer',
    private: true,
    type: 'module',
    dependencies: { ...files, '@tensorflow/tfjs': '^4.22.0' },
    devDependencies: tools,
    ...(manager === 'npm' ? { overrides: files } : { pnpm: { overrides: files, packageExtensions: UNDECLARED } }),
  };
  await writeFile(join(folder, 'package.json'), JSON.stringify(manifest));
  // the one script that would fetch something from outside npm: GPU libraries
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' };
  const [program, ...args] =
    manager === 'npm'
      ? ['npm', 'install', '--no-audit', '--no-fund', '--prefer-offline', '--no-package-lock']
      : [
          ...pnpm(),
          'install',
          '--config.hoist=false',
          '--ignore-workspace',
          '--ignore-scripts',
          '--prefer-offline',
          '--no-lockfile',
        ];
  const installed = await run(program as string, args, { cwd: folder, env });
  if (installed.failed) throw new Error(`${manager} install failed:\n      ${lastLines(installed, 20)}`);
}

/** Compiles every example. @returns what the compiler says, by file name without its ending */
export async function typecheck(folder: string, resolution: Resolution): Promise<Map<string, string[]>> {
  const options = {
    strict: true,
    target: 'ES2022',
    lib: ['ES2023', 'DOM'],
    types: ['node'],
    skipLibCheck: true,
    outDir: `out-${resolution}`,
    rootDir: 'examples',
    module: resolution === 'nodenext' ? 'nodenext' : 'esnext',
    moduleResolution: resolution,
  };
  const config = join(folder, `tsconfig.${resolution}.json`);
  await writeFile(config, JSON.stringify({ compilerOptions: options, include: ['examples'] }));
  const compiler = createRequire(join(folder, 'package.json')).resolve('typescript/lib/tsc.js');
  const { output } = await run(process.execPath, [compiler, '--project', config, '--pretty', 'false'], { cwd: folder });
  const found = new Map<string, string[]>();
  for (const line of output.split('\n').filter((each) => each.includes('error TS'))) {
    const name = /^examples\/([^(]+)\.ts\(/.exec(line)?.[1] ?? '';
    found.set(name, [...(found.get(name) ?? []), `${resolution}: ${line}`]);
  }
  return found;
}

/** Loads every entry by import from an ES module, or by require from CommonJS. @returns why one cannot be had, by entry */
export async function loadAll(
  folder: string,
  specifiers: readonly string[],
  how: 'import' | 'require',
): Promise<ReadonlyMap<string, string>> {
  const load = how === 'import' ? 'await import(name)' : 'require(name)';
  const code = `(async () => {
    const failed = [];
    for (const name of ${JSON.stringify(specifiers)}) {
      try {
        if (Object.keys(${load}).length === 0) throw new Error('it exports nothing');
      } catch (error) {
        failed.push([name, String(error)]);
      }
    }
    process.stdout.write('\\n' + JSON.stringify(failed));
  })()`;
  const type = how === 'import' ? 'module' : 'commonjs';
  const result = await run(process.execPath, [`--input-type=${type}`, '--eval', code], { cwd: folder });
  if (result.failed) throw new Error(`${how} of the packages failed: ${lastLines(result)}`);
  const failed = JSON.parse(result.output.split('\n').at(-1) as string) as [string, string][];
  return new Map(failed.map(([name, error]) => [name, `${how} of ${name} fails: ${error}`]));
}

/** Why the packages do not share one tfjs with the user's code, or nothing. */
export async function tfjsProblems(folder: string): Promise<string[]> {
  const code = `
    const { createRequire } = require('node:module');
    const from = (path, name) => createRequire(path).resolve(name);
    const users = from('${join(folder, 'package.json')}', '@tensorflow/tfjs');
    const wasm = from(require.resolve('@drf/engine'), '@tensorflow/tfjs-backend-wasm');
    const copies = [users, wasm].map((path) => from(path, '@tensorflow/tfjs-core'));
    for (const name of ['@drf/tensor', '@drf/encoders']) copies.push(from(from(require.resolve(name), '@tensorflow/tfjs'), '@tensorflow/tfjs-core'));
    process.stdout.write([...new Set(copies)].join(' and '));`;
  const { output, failed, errors } = await run(process.execPath, ['--input-type=commonjs', '--eval', code], {
    cwd: folder,
  });
  if (failed) return [`tfjs cannot be found: ${errors}`];
  return output.includes(' and ') ? [`more than one copy of tfjs-core: ${output}`] : [];
}
