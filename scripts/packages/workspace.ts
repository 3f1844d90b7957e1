import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Packages that need no part of Node: they bundle for browsers as they are. Every other one needs Node. */
export const BROWSER_PACKAGES: readonly string[] = [
  '@drf/tensor',
  '@drf/layers',
  '@drf/distribution',
  '@drf/converters',
  '@drf/fusion',
  '@drf/disruption',
  '@drf/metrics',
  '@drf/model',
  '@drf/baselines',
];

/** Of those, the ones whose bundle takes nothing of tfjs unless the user does. */
export const WITHOUT_TFJS: readonly string[] = ['@drf/tensor', '@drf/disruption', '@drf/metrics'];

export type Dependencies = Readonly<Record<string, string>>;

/** The fields of a `package.json` that are checked. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  readonly license?: string;
  readonly private?: boolean;
  readonly exports?: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly publishConfig?: { readonly access?: string; readonly exports?: Manifest['exports'] };
  readonly dependencies?: Dependencies;
  readonly optionalDependencies?: Dependencies;
  readonly peerDependencies?: Dependencies;
  readonly devDependencies?: Dependencies;
}

export interface WorkspacePackage {
  readonly folder: string;
  readonly manifest: Manifest;
  /** Of `packages/`, which is used from code, or of `apps/`, a command of `drf`. */
  readonly kind: 'library' | 'command';
}

export async function readManifest(folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest;
}

/** Every package that is published: those below `packages/` and `apps/`, by name. */
export async function workspacePackages(root = ROOT): Promise<WorkspacePackage[]> {
  const below = async (place: string, kind: WorkspacePackage['kind']): Promise<WorkspacePackage[]> => {
    const folders = (await readdir(join(root, place))).sort().map((name) => join(root, place, name));
    return Promise.all(folders.map(async (folder) => ({ folder, kind, manifest: await readManifest(folder) })));
  };
  return [...(await below('packages', 'library')), ...(await below('apps', 'command'))];
}

/** The entries of a package that can be imported: `.` and, for instance, `./manifest`. */
export function entriesOf(manifest: Manifest): string[] {
  return Object.keys(manifest.exports ?? {}).filter((entry) => entry !== './package.json');
}

/** pnpm as the workspace pins it: through the one that runs this, else through npx. */
export function pnpm(): [program: string, ...args: string[]] {
  const running = process.env['npm_execpath'];
  if (running !== undefined && /pnpm/.test(running)) return [process.execPath, running];
  const { packageManager } = createRequire(import.meta.url)(join(ROOT, 'package.json')) as { packageManager: string };
  return ['npx', '-y', packageManager];
}

export interface Finished {
  readonly failed: boolean;
  readonly output: string;
  readonly errors: string;
}

const execute = promisify(execFile);

/** Runs a program without a shell; gives what it printed, however it ended. */
export async function run(
  program: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: NodeJS.ProcessEnv; readonly timeout?: number },
): Promise<Finished> {
  try {
    const { stdout, stderr } = await execute(program, args, { maxBuffer: 64 * 1024 ** 2, ...options });
    return { failed: false, output: stdout, errors: stderr };
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as Error & { stdout?: string; stderr?: string };
    return { failed: true, output: stdout, errors: stderr === '' ? message : stderr };
  }
}

/** The end of what a failed program printed, for one line of a report. */
export function lastLines({ output, errors }: Finished, count = 6): string {
  return `${output}\n${errors}`.trim().split('\n').slice(-count).join('\n      ');
}
