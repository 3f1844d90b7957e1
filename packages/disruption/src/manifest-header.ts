import { CheckpointError } from '@drf/tensor';
import { PIXEL_RULE } from './corrupt-image.js';
import { DEFAULT_MASK, WORD_RULE } from './corrupt-text.js';
import type { ImageSize } from './fill.js';
import { FRACTION_RANGE } from './fraction.js';
import { parseStrategy, type Seed, type Strategy } from './strategy.js';

export const MANIFEST_FORMAT = 'drf-disruption-manifest';
export const MANIFEST_VERSION = 1;

/** What a manifest says before its rows. */
export interface ManifestHeader {
  readonly seed: Seed;
  readonly strategy: Strategy;
  /** The size at which pixels are chosen, after scaling and cropping; null: each image's own size. */
  readonly imageSize: ImageSize | null;
  /** What stands for a masked word; `[MASK]` unless told otherwise. */
  readonly mask?: string;
  /** Which posts: a data set and split, in words. */
  readonly source?: string;
}

/** The header line's content; rules in words, for whoever repeats the disruptions elsewhere. */
export function headerRow(header: ManifestHeader, strategy: string, entries: number): Record<string, unknown> {
  return {
    format: MANIFEST_FORMAT,
    version: MANIFEST_VERSION,
    seed: header.seed,
    strategy,
    imageSize: header.imageSize,
    mask: header.mask ?? DEFAULT_MASK,
    ...(header.source === undefined ? {} : { source: header.source }),
    entries,
    fractions: `drawn uniformly from [${FRACTION_RANGE.low}, ${FRACTION_RANGE.high})`,
    pixels: PIXEL_RULE,
    words: WORD_RULE,
  };
}

function isSize(value: unknown): value is ImageSize {
  if (typeof value !== 'object' || value === null) return false;
  const { width, height } = value as Record<string, unknown>;
  return [width, height].every((side) => Number.isSafeInteger(side) && (side as number) > 0);
}

/**
 * Reads the header line's content.
 * @throws CheckpointError when it is no manifest of ours, of another version, or damaged
 */
export function parseHeader(name: string, row: unknown): { header: ManifestHeader; entries: number } {
  const fail = (expected: string, received: unknown): CheckpointError =>
    new CheckpointError({
      subject: `Manifest ${name}, line 1`,
      expected,
      received: JSON.stringify(received) ?? 'nothing',
      remedy: 'make the manifest again',
    });
  const fields = (typeof row === 'object' && row !== null ? row : {}) as Record<string, unknown>;
  const { format, version, seed, strategy, imageSize, mask, source, entries } = fields;
  if (format !== MANIFEST_FORMAT) throw fail(`the format ${JSON.stringify(MANIFEST_FORMAT)}`, format);
  if (version !== MANIFEST_VERSION) throw fail(`version ${MANIFEST_VERSION}`, version);
  if (typeof seed !== 'string' && typeof seed !== 'number') throw fail('a seed', seed);
  if (typeof strategy !== 'string') throw fail('a strategy', strategy);
  if (imageSize !== null && !isSize(imageSize)) throw fail('imageSize null or { width, height }', imageSize);
  if (typeof mask !== 'string') throw fail('a mask', mask);
  if (source !== undefined && typeof source !== 'string') throw fail('a source in words', source);
  if (!Number.isSafeInteger(entries)) throw fail('the number of entries', entries);
  return {
    header: { seed, strategy: parseStrategy(strategy), imageSize, mask, ...(source === undefined ? {} : { source }) },
    entries: entries as number,
  };
}
