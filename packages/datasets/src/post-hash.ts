import { contentHash } from '@drf/files';
import { DataError } from '@drf/tensor';
import type { Dataset, PostRecord } from './dataset.js';

/** Of SHA-256, the hexadecimal digits that are kept: enough to tell billions of posts apart. */
const DIGITS = 32;

/**
 * What a post is recognized by wherever it stands, under whatever id: its text as decoded, without white space at its
 * ends, and the bytes of its image.
 */
export function postHash(text: string | null, image: Uint8Array | null): string {
  const parts = [text ?? '', image === null ? 'no image' : 'image'];
  return contentHash('post-1', ...parts, image ?? '').slice(0, DIGITS);
}

/**
 * {@link postHash} of a post of a data set.
 * @returns null where its content cannot be read, or is made on demand and stands in no file
 */
export async function recordHash(dataset: Dataset, record: PostRecord): Promise<string | null> {
  if (record.image?.fingerprint !== undefined) return null;
  try {
    const text = record.text === null ? null : await dataset.readText(record);
    return postHash(text, record.image === null ? null : await record.image.bytes());
  } catch (error) {
    if (error instanceof DataError) return null;
    throw error;
  }
}
