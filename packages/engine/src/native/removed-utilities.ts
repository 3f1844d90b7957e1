import { createRequire } from 'node:module';

/** The module object that CommonJS code gets from `require('util')`: unlike an ESM namespace, it can be added to. */
function utilModule(): Record<string, unknown> {
  return createRequire(import.meta.url)('node:util') as Record<string, unknown>;
}

/** Node 23 removed functions that tfjs-node 4.22 still calls (tensorflow/tfjs#8609). */
export function restoreRemovedUtilities(util: Record<string, unknown> = utilModule()): void {
  util['isArray'] ??= Array.isArray;
  util['isNullOrUndefined'] ??= (value: unknown) => value === null || value === undefined;
}
