import { createRequire } from 'node:module';
import { dirname } from 'node:path';

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
  const require = createRequire(import.meta.url);
  for (const name of packages) {
    try {
      const path = require.resolve(`${name}/package.json`);
      const { version } = require(path) as { readonly version: string };
      return { name, version, folder: dirname(path) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  return undefined;
}
