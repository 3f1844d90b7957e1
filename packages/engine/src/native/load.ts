import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { UnavailableError } from '@drf/tensor';
import { spell } from '@drf/terminal';
import * as tf from '@tensorflow/tfjs';
import { engineProbe } from '../engine-probe.js';
import { assertBuildIntact, type InstalledBuild, nativeFolder, readInstalledBuild } from './build.js';

const BACKEND = 'tensorflow';

/**
 * The npm packages that hold the binding's sources and its kernels in JavaScript, in the order of preference. Both hold
 * the same code and are optional: their own native library comes from outside the npm registry.
 */
export const NATIVE_PACKAGES = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const;

/** An installed package that holds the binding. */
export interface BindingPackage {
  readonly name: string;
  readonly version: string;
  readonly folder: string;
}

/** The first of the packages that is installed, whether or not its native library is. */
export function findBindingPackage(packages: readonly string[] = NATIVE_PACKAGES): BindingPackage | undefined {
  for (const name of packages) {
    const found = bindingPackage(name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A package, if it is installed. */
export function bindingPackage(name: string): BindingPackage | undefined {
  const require = createRequire(import.meta.url);
  try {
    const path = require.resolve(`${name}/package.json`);
    const { version } = require(path) as { readonly version: string };
    return { name, version, folder: dirname(path) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    return undefined;
  }
}

/**
 * Whether a package has the native library that it fetches from outside the npm registry after it is installed. To
 * import one without it fails too, but not before it has registered all its kernels, with a warning for each of them
 * that another one had registered.
 */
export function hasNativeLibrary({ folder }: BindingPackage): boolean {
  const library = join(folder, 'lib');
  const versions = existsSync(library) ? readdirSync(library) : [];
  return versions.some((version) => existsSync(join(library, version, 'tfjs_binding.node')));
}

/** tfjs-node's backend over an addon. */
interface BackendModule {
  readonly NodeJSKernelBackend: new (binding: object, packageName: string) => tf.KernelBackend;
}

interface NativeBackend extends tf.KernelBackend {
  readonly isUsingGpuDevice?: boolean;
  readonly binding?: { readonly TF_Version?: string };
}

/** Where native TensorFlow is looked for; tests name other places. */
export interface NativeSources {
  /** Folder of builds made by `pnpm tensorflow:install`. */
  readonly folder: string;
  readonly packages: readonly string[];
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return (message.split('\n')[0] as string).trim();
}

/** TensorFlow greets on standard error with what it was compiled for; warnings and errors still come through. */
function silenceGreeting(): void {
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '1';
}

/** The module object that CommonJS code gets from `require('util')`: unlike an ESM namespace, it can be added to. */
function utilModule(): Record<string, unknown> {
  return createRequire(import.meta.url)('node:util') as Record<string, unknown>;
}

/**
 * tfjs-node 4.22 calls functions of `util` that Node 22 warns about and Node 23 removed (tensorflow/tfjs#8609). It gets
 * its own, which do the same in silence.
 */
export function restoreRemovedUtilities(util: Record<string, unknown> = utilModule()): void {
  util['isArray'] = Array.isArray;
  util['isNullOrUndefined'] = (value: unknown) => value === null || value === undefined;
}

/** Registers the backend over an addon of ours: tfjs-node's kernels, without its search for an addon of its own. */
function registerBuild(build: InstalledBuild, packages: readonly string[]): void {
  const addon = assertBuildIntact(build);
  const binding = findBindingPackage(packages);
  if (binding === undefined) throw new Error(`none of ${packages.join(', ')} is installed, which hold its kernels`);
  const require = createRequire(import.meta.url);
  const native = require(addon) as object;
  require(join(binding.folder, 'dist', 'register_all_kernels.js'));
  const { NodeJSKernelBackend } = require(join(binding.folder, 'dist', 'nodejs_kernel_backend.js')) as BackendModule;
  const packageName = build.device === 'gpu' ? '@tensorflow/tfjs-node-gpu' : '@tensorflow/tfjs-node';
  tf.registerBackend(BACKEND, () => new NodeJSKernelBackend(native, packageName), 3);
}

/** @returns why there is none, or nothing when the backend is registered */
function tryBuild({ folder, packages }: NativeSources): string | undefined {
  try {
    const build = readInstalledBuild(folder);
    if (build === undefined) return `no build in ${folder}`;
    registerBuild(build, packages);
    return undefined;
  } catch (error) {
    return firstLine(error);
  }
}

async function tryPackage(name: string): Promise<string | undefined> {
  const found = bindingPackage(name);
  if (found === undefined) return `${name} is not installed`;
  if (!hasNativeLibrary(found)) return `${name} lacks its native library`;
  try {
    await import(name);
    return undefined;
  } catch (error) {
    return `${name}: ${firstLine(error)}`;
  }
}

/**
 * Loads native TensorFlow for Node, which registers the tfjs backend `tensorflow`: the build that
 * `pnpm tensorflow:install` made, else the library that an npm package fetched for itself.
 * @throws UnavailableError saying why each of them did not load and what to do.
 */
export async function loadNativeTensorFlow(sources: Partial<NativeSources> = {}): Promise<void> {
  if (tf.engine().registryFactory[BACKEND] !== undefined) return;
  const { folder = nativeFolder(), packages = NATIVE_PACKAGES } = sources;
  restoreRemovedUtilities();
  silenceGreeting();
  const reasons: string[] = [];
  const reason = tryBuild({ folder, packages });
  if (reason === undefined) return;
  reasons.push(reason);
  for (const name of packages) {
    const packageReason = await tryPackage(name);
    if (packageReason === undefined) return;
    reasons.push(packageReason);
  }
  throw new UnavailableError({
    subject: 'engine "eager:tensorflow"',
    expected: 'a native TensorFlow',
    received: reasons.join(' | '),
    remedy: `run ${spell('tensorflow:install')}, or use the engine "compiled", which needs nothing beyond npm`,
  });
}

function startedBackend(): NativeBackend | undefined {
  return tf.findBackend(BACKEND) ?? undefined;
}

/** Whether the started `tensorflow` backend computes on a GPU. */
export function nativeUsesGpu(): boolean {
  return startedBackend()?.isUsingGpuDevice === true;
}

/** TensorFlow's own version, once the backend has started. */
export function nativeVersion(): string | undefined {
  return startedBackend()?.binding?.TF_Version;
}

/**
 * Whether a GPU could be had from native TensorFlow, told without loading it (which takes about a second): a build for
 * the CPU alone cannot, nor can packages without their library.
 */
export function nativeMayUseGpu(sources: Partial<NativeSources> = {}): boolean {
  const { folder = nativeFolder(), packages = NATIVE_PACKAGES } = sources;
  try {
    const build = readInstalledBuild(folder);
    if (build !== undefined) return build.device !== 'cpu';
    return packages.some((name) => {
      const found = bindingPackage(name);
      return found !== undefined && hasNativeLibrary(found);
    });
  } catch {
    return true; // a damaged record is the loader's to report
  }
}

/** How fast native TensorFlow multiplies matrices, and what it is. */
export interface NativeMeasurement {
  /** TensorFlow's own version. */
  readonly tensorflow: string;
  readonly gpu: boolean;
  readonly gflops: number;
}

/** What Node gets as arguments to measure native TensorFlow; {@link readNativeProbe} reads what it prints. */
export const NATIVE_PROBE = engineProbe('eager:tensorflow');

/** The measurement that a process with {@link NATIVE_PROBE} printed; nothing where it failed. */
export function readNativeProbe(result: {
  readonly code: number | null;
  readonly stdout: string;
}): NativeMeasurement | undefined {
  const line = /^\{"tensorflow".*\}$/m.exec(result.stdout)?.[0];
  return result.code === 0 && line !== undefined ? (JSON.parse(line) as NativeMeasurement) : undefined;
}
