import { contentHash } from '@drf/files';
import { ConfigurationError, type RgbImage } from '@drf/tensor';

/** SHA-256 of an image's size and pixels, or of a text. Hashes of the stored file do as well and need no decoding. */
export function hashContent(content: RgbImage | string): string {
  if (typeof content === 'string') return contentHash('text', content);
  return contentHash('image', `${content.width}x${content.height}`, content.data);
}

/**
 * The key of a feature within one encoder's cache.
 * @param content hash of the undisrupted content and of how it is decoded
 * @param disruption what was done to it; the empty string when it is intact
 * @throws ConfigurationError for an empty content hash
 */
export function featureKey(content: string, disruption = ''): string {
  if (content === '') {
    throw new ConfigurationError({ subject: 'featureKey', expected: 'a content hash', received: 'an empty string' });
  }
  return JSON.stringify([content, disruption]);
}
