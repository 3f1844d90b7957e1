import { contentHash } from '@drf/files';
import { DataError } from '@drf/tensor';
import type { Dataset, PostRecord } from '../dataset.js';
import { DEFAULT_IMAGE_DECODING, readImageHeader, type ImageHeader } from '../image-decoder.js';
import { looksWhole } from '../image-format.js';
import { RowError } from '../row-error.js';

/**
 * How thoroughly images are checked: `pixels` decodes every image, as training does; `headers` reads every header and
 * decodes only files that do not end as their format demands, which is faster and does not find data that are missing
 * before the end mark.
 */
export type ImageCheck = 'headers' | 'pixels';

/** What one post's content is like. */
export interface ExaminedPost {
  readonly record: PostRecord;
  /** Decoded text; `null`: missing. */
  readonly text: string | null;
  readonly textHash: string | null;
  readonly image: (ImageHeader & { readonly bytes: number }) | null;
  readonly imageHash: string | null;
}

/** Reads a post's content once. An error of the row comes as a result. */
export async function examine(
  dataset: Dataset,
  record: PostRecord,
  check: ImageCheck,
): Promise<ExaminedPost | RowError> {
  try {
    const [text, bytes] = await Promise.all([dataset.readText(record), record.image?.bytes() ?? null]);
    const subject = `${dataset.name} post ${record.id}, image ${record.image?.description ?? ''}`;
    const { maximumPixels } = DEFAULT_IMAGE_DECODING;
    const header = bytes === null ? null : await readImageHeader(subject, bytes, maximumPixels);
    if (check === 'pixels' || (bytes !== null && !looksWhole(bytes))) await dataset.read(record);
    return {
      record,
      text,
      textHash: text === null ? null : contentHash(text),
      image: header === null ? null : { ...header, bytes: bytes?.length ?? 0 },
      imageHash: bytes === null ? null : contentHash(bytes),
    };
  } catch (error) {
    if (error instanceof RowError) return error;
    if (error instanceof DataError) return new RowError('unreadable file', error.report, { cause: error });
    throw error;
  }
}
