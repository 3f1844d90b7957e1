import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs';
import { UnavailableError } from '@drf/tensor';

/** In the order of preference. Both are optional: their native libraries come from outside the npm registry. */
const NATIVE_PACKAGES = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const;

/** Node 23 removed functions that tfjs-node 4.22 still calls (tensorflow/tfjs#8609). */
function restoreRemovedUtilities(): void {
  const util = createRequire(import.meta.url)('node:util') as Record<string, unknown>;
  util['isArray'] ??= Array.isArray;
  util['isNullOrUndefined'] ??= (value: unknown) => value === null || value === undefined;
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return (message.split('\n')[0] as string).trim();
}

/**
 * Loads native TensorFlow for Node, which registers the tfjs backend `tensorflow`.
 * @throws UnavailableError saying why each package did not load and what to do.
 */
export async function loadNativeTensorFlow(packages: readonly string[] = NATIVE_PACKAGES): Promise<void> {
  if (tf.engine().registryFactory['tensorflow'] !== undefined) return;
  restoreRemovedUtilities();
  const reasons: string[] = [];
  for (const name of packages) {
    try {
      await import(name);
      return;
    } catch (error) {
      reasons.push(`${name}: ${firstLine(error)}`);
    }
  }
  throw new UnavailableError({
    subject: 'engine "eager:tensorflow"',
    expected: `the native library of ${packages.join(' or ')}`,
    received: reasons.join(' | '),
    remedy:
      'run that package\'s install script ("npm rebuild @tensorflow/tfjs-node --build-addon-from-source") on a machine ' +
      'with access to storage.googleapis.com, or use the engine "compiled", which needs nothing beyond npm',
  });
}

/** Whether the started `tensorflow` backend computes on a GPU. */
export function nativeUsesGpu(): boolean {
  const backend = tf.findBackend('tensorflow') as (tf.KernelBackend & { isUsingGpuDevice?: boolean }) | null;
  return backend?.isUsingGpuDevice === true;
}
