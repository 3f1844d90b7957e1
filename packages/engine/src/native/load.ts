import { createRequire } from 'node:module';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { UnavailableError } from '@drf/tensor';
import { bindingPackage, findBindingPackage, hasNativeLibrary, NATIVE_PACKAGES } from './binding-package.js';
import { nativeFolder } from './build-folder.js';
import { assertBuildIntact, readInstalledBuild, type InstalledBuild } from './build-record.js';
import { restoreRemovedUtilities } from './removed-utilities.js';

const BACKEND = 'tensorflow';

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
    remedy: 'run "pnpm tensorflow:install", or use the engine "compiled", which needs nothing beyond npm',
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
