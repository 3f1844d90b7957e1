import type { Modality } from '@drf/tensor';
import { DEFAULT_MASK } from './corrupt-text.js';
import type { DisruptionEntry } from './plan.js';

/** What a feature depends on beside its entry. */
export interface KeyOptions {
  /** Whose feature is cached. An entry of the other modality leaves it intact, and so does its key. */
  readonly modality?: Modality;
  /** As given to `applyDisruption`. */
  readonly mask?: string;
}

/** The key of content that no disruption touched. */
export const INTACT_KEY = 'intact';

/**
 * A short text that changes whenever the disrupted content does, given the clean content: for feature caches, beside
 * the encoder's id and the content's hash. It does not hold the post's id.
 */
export function disruptionKey(entry: DisruptionEntry | null | undefined, options: KeyOptions = {}): string {
  if (entry === null || entry === undefined) return INTACT_KEY;
  if (options.modality !== undefined && options.modality !== entry.modality) return INTACT_KEY;
  if (entry.operation === 'discard') return `${entry.modality}:discard`;
  const mask = options.mask ?? DEFAULT_MASK;
  const masked = entry.modality === 'text' && mask !== DEFAULT_MASK ? `:${JSON.stringify(mask)}` : '';
  return `${entry.modality}:corrupt:v1:${entry.fraction}:${entry.seed}${masked}`; // v1: of the choosing rules
}
