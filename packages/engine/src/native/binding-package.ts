import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

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
