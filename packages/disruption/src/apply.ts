import { DataError, type Modality, otherModality, type Post, type RgbImage } from '@drf/tensor';
import { blackenPixels, DEFAULT_MASK, maskWords } from './corrupt.js';
import { applyCorruption } from './corruptions.js';
import { applyOwn } from './own-disruption.js';
import type { ImageSize } from './fill.js';
import type { DisruptionEntry } from './plan.js';

/** What an entry is applied with, beside the post. */
export interface ApplyOptions {
  /** What stands for a masked word; `[MASK]` unless told otherwise. */
  readonly mask?: string;
  /** The size at which pixels are chosen (a manifest's `imageSize`): an image of another size is refused. */
  readonly imageSize?: ImageSize | null;
}

function mismatch(entry: DisruptionEntry, expected: string, received: string): DataError {
  return new DataError({
    subject: `Disruption of post ${JSON.stringify(entry.id)}`,
    expected,
    received,
    remedy: 'apply the manifest to the posts that it was made for',
  });
}

function assertFits(post: Post, entry: DisruptionEntry): void {
  if (post.id !== entry.id) throw mismatch(entry, 'that post', `post ${JSON.stringify(post.id)}`);
  const other = otherModality(entry.modality);
  if (post[entry.modality] === null) throw mismatch(entry, `a post with ${entry.modality}`, `one without`);
  if (post[other] === null) throw mismatch(entry, `a post whose ${other} stays intact`, `one without ${other}`);
}

function assertSize(image: RgbImage, entry: DisruptionEntry, size: ImageSize): void {
  if (image.width === size.width && image.height === size.height) return;
  throw mismatch(entry, `an image of ${size.width} × ${size.height}`, `${image.width} × ${image.height}`);
}

/**
 * The post after its disruption; the given post stays as it is, and what is not disrupted is shared with it.
 * @param entry of this post; null or undefined: the post comes back as it is
 * @throws DataError when the entry is another post's, or the post lacks a modality (so that one always stays intact)
 */
export function applyDisruption(
  post: Post,
  entry: DisruptionEntry | null | undefined,
  options: ApplyOptions = {},
): Post {
  if (entry === null || entry === undefined) return post;
  assertFits(post, entry);
  if (entry.operation === 'discard') return { ...post, [entry.modality]: null };
  const { fraction, seed, own, corruption, severity } = entry;
  if (entry.modality === 'image' && options.imageSize) assertSize(post.image as RgbImage, entry, options.imageSize);
  if (own !== undefined && seed !== null) {
    return applyOwn(post, own, entry.modality, seed);
  }
  if (corruption !== undefined && severity !== undefined && seed !== null) {
    return applyCorruption(post, corruption, severity, seed);
  }
  if (fraction === null || seed === null) throw mismatch(entry, 'a fraction and a seed to corrupt by', 'none');
  if (entry.modality === 'text') {
    return { ...post, text: maskWords(post.text as string, fraction, seed, options.mask ?? DEFAULT_MASK) };
  }
  return { ...post, image: blackenPixels(post.image as RgbImage, fraction, seed) };
}

/** What a feature depends on beside its entry. */
export interface KeyOptions {
  /** Whose feature is cached. An entry of the other modality leaves it intact, and so does its key. */
  readonly modality?: Modality;
  /** As given to `applyDisruption`. */
  readonly mask?: string;
}

/** The key of content that no disruption touched. */
const INTACT_KEY = 'intact';

/**
 * A short text that changes whenever the disrupted content does, given the clean content: for feature caches, beside
 * the encoder's id and the content's hash. It does not hold the post's id.
 */
export function disruptionKey(entry: DisruptionEntry | null | undefined, options: KeyOptions = {}): string {
  if (entry === null || entry === undefined) return INTACT_KEY;
  if (options.modality !== undefined && options.modality !== entry.modality) return INTACT_KEY;
  if (entry.operation === 'discard') return `${entry.modality}:discard`;
  if (entry.own !== undefined) return `${entry.modality}:own:${entry.own}:${entry.seed}`;
  if (entry.corruption !== undefined) {
    return `${entry.modality}:${entry.corruption}:v1:${entry.severity}:${entry.seed}`; // v1: of its rule
  }
  const mask = options.mask ?? DEFAULT_MASK;
  const masked = entry.modality === 'text' && mask !== DEFAULT_MASK ? `:${JSON.stringify(mask)}` : '';
  return `${entry.modality}:corrupt:v1:${entry.fraction}:${entry.seed}${masked}`; // v1: of the choosing rules
}
