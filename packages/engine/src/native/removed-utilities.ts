import { createRequire } from 'node:module';

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
