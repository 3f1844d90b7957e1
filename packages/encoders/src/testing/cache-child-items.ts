import type { EncodeItem } from '../cache/encode-with-cache.js';
import { featureKey } from '../cache/feature-cache.js';

/** Wide enough that a row's write can be cut in two. */
export const CHILD_DIM = 1792;

export function childText(i: number): string {
  return 'x'.repeat(i % 997);
}

export function childItems(count: number): EncodeItem<string>[] {
  return Array.from({ length: count }, (_, i) => ({ key: featureKey(`item ${i}`), load: async () => childText(i) }));
}
