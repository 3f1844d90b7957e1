import { join } from 'node:path';
import { DataError, type Modality, type Post } from '@drf/tensor';
import { contentHash, readBounded } from '@drf/files';
import type { Ledger } from './ledger.js';
import type { TextEncoding } from './text-decoder.js';

/** Where a modality's content comes from; the bytes are read when they are asked for, never before. */
export interface ContentSource {
  /**
   * The content as it is stored: an encoded image file, or encoded text.
   * @throws DataError when the content cannot be read or exceeds its limit
   */
  bytes(): Promise<Uint8Array>;
  /** A path or a kind, for messages ("data/12.jpg", "inline text"). */
  readonly description: string;
  /** A string that decides the bytes, where one is known without making them; stands for them in hashes. */
  readonly fingerprint?: string;
  /** Of a text: its encoding, where it is not the data set's. */
  readonly encoding?: TextEncoding;
}

/** One row of a data set that was kept: a post whose content has not been read yet. */
export interface PostRecord {
  readonly id: string;
  /** Index into {@link Dataset.classes}. */
  readonly label: number;
  /** `null`: the image is missing (λᵛ = 0). */
  readonly image: ContentSource | null;
  /** `null`: the text is missing (λᵗ = 0). */
  readonly text: ContentSource | null;
  /** The split that the data itself assigns, if it does. */
  readonly split?: string;
  /** 1-based line (text files) or row (Parquet) of the file that lists the post, where there is one. */
  readonly line?: number;
}

/** Posts with their labels, read lazily. Every loader returns one; `datasetContract` is the suite that each passes. */
export interface Dataset {
  readonly name: string;
  /** Class names; a record's label indexes them. */
  readonly classes: readonly string[];
  readonly records: readonly PostRecord[];
  /** What was kept, what was dropped and why. Rows that turn out unreadable later are moved to "dropped" in it. */
  readonly ledger: Ledger;
  /**
   * Decodes a post: RGB pixels of the size that the data set was opened with, and text in the data set's encoding.
   * @throws RowError (a DataError) naming post, file and trouble when the content cannot be used
   */
  read(record: PostRecord): Promise<Post>;
  /** The text alone, decoded; `null` when it is missing. @throws RowError as {@link Dataset.read} */
  readText(record: PostRecord): Promise<string | null>;
  /**
   * SHA-256 of a modality's stored content and of what decides its decoding (size, fit, encoding, version), without
   * decoding it: the key of feature caches.
   * @throws RowError when the modality is missing or cannot be read
   */
  contentHash(record: PostRecord, modality: Modality): Promise<string>;
}

/** Content of a file below a folder. Thousands share the folder's name, so memory stays small. */
export class FileSource implements ContentSource {
  /**
   * @param folder absolute path
   * @param description the file's path inside the folder
   * @param encoding of a text, where it is not the data set's
   */
  constructor(
    private readonly folder: string,
    readonly description: string,
    private readonly maximumBytes: number,
    readonly encoding?: TextEncoding,
  ) {}

  /** The same file as a text in another encoding than the data set's. */
  readAs(encoding: TextEncoding): FileSource {
    return new FileSource(this.folder, this.description, this.maximumBytes, encoding);
  }

  /** @throws DataError naming the file when it is missing, no file, or too large */
  bytes(): Promise<Uint8Array> {
    return readBounded(join(this.folder, this.description), this.maximumBytes);
  }
}

/** Text that came inside the row itself. */
export class InlineText implements ContentSource {
  readonly description = 'inline text';
  readonly encoding = 'utf-8';

  constructor(private readonly text: string) {}

  bytes(): Promise<Uint8Array> {
    return Promise.resolve(new TextEncoder().encode(this.text));
  }
}

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
