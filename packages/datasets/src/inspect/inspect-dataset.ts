import { contentHash } from '@drf/files';
import { DEFAULT_IMAGE_DECODING, looksWhole, readImageHeader, type ImageHeader } from '@drf/preprocessing';
import { mapAhead, DataError } from '@drf/tensor';
import type { Dataset, PostRecord } from '../dataset.js';
import { asUnusableRow, RowError, type LedgerReport } from '../ledger.js';
import { findDuplicates, type DuplicateReport, type HashedPost } from '../splits/duplicates.js';

/** A split to report on. */
export interface NamedRecords {
  readonly name: string;
  readonly records: readonly PostRecord[];
}

/** How closely to look. */
export interface InspectOptions {
  /** Default `pixels`. */
  readonly check?: ImageCheck;
  /**
   * Splits for the counts and the duplicate report, or a function that makes them from the records that could be read.
   * Default: those that the data itself assigns.
   */
  readonly splits?: readonly NamedRecords[] | ((readable: readonly PostRecord[]) => readonly NamedRecords[]);
  /** Called with the posts looked at so far, and all. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Texts that are there and not, and their lengths. */
export interface TextSummary {
  readonly present: number;
  readonly missing: number;
  readonly characters: NumberSummary | null;
  readonly words: NumberSummary | null;
  /** Texts with `??`, where emoji were lost before publication. */
  readonly withLostEmoji: number;
}

/** Images that are there and not, and their sizes in pixels and bytes. */
export interface ImageSummary {
  readonly present: number;
  readonly missing: number;
  readonly width: NumberSummary | null;
  readonly height: NumberSummary | null;
  readonly bytes: NumberSummary | null;
  readonly formats: Readonly<Record<string, number>>;
}

/** What a data set is like. Plain data: JSON takes it as it is. */
export interface Inspection {
  readonly dataset: string;
  readonly check: ImageCheck;
  readonly posts: number;
  readonly ledger: LedgerReport;
  readonly classes: Readonly<Record<string, number>>;
  readonly splits: readonly {
    readonly name: string;
    readonly posts: number;
    readonly classes: Readonly<Record<string, number>>;
  }[];
  readonly text: TextSummary;
  readonly image: ImageSummary;
  readonly duplicates: DuplicateReport;
}

/**
 * Reads every post once: counts, sizes, duplicates, and everything that cannot be decoded, which moves to "dropped" in
 * the data set's ledger.
 */
export async function inspectDataset(dataset: Dataset, options: InspectOptions = {}): Promise<Inspection> {
  const { check = 'pixels', onProgress } = options;
  const examined = new Map<string, ExaminedPost>();
  let done = 0;
  for await (const result of mapAhead(dataset.records, 16, (record) => examine(dataset, record, check))) {
    const { id, line } = dataset.records[done++] as PostRecord;
    if (result instanceof RowError) dataset.ledger.reject({ id, line, reason: result.reason, detail: result.message });
    else examined.set(id, result);
    onProgress?.(done, dataset.records.length);
  }
  const posts = [...examined.values()];
  const splits = splitsOf(dataset, posts, options.splits);
  const inSplit = splits.map(({ name, records }) => ({
    name,
    posts: records.flatMap(({ id }) => examined.get(id) ?? []),
  }));
  return {
    dataset: dataset.name,
    check,
    posts: posts.length,
    ledger: dataset.ledger.toJSON(),
    classes: classCounts(dataset, posts),
    splits: inSplit.map((split) => ({
      name: split.name,
      posts: split.posts.length,
      classes: classCounts(dataset, split.posts),
    })),
    text: summarizeTexts(posts),
    image: summarizeImages(posts),
    duplicates: findDuplicates(hashedPosts(dataset, posts, inSplit)),
  };
}

function splitsOf(
  dataset: Dataset,
  posts: readonly ExaminedPost[],
  splits: InspectOptions['splits'],
): readonly NamedRecords[] {
  if (typeof splits === 'function') return splits(posts.map((post) => post.record));
  return splits ?? ownSplits(dataset);
}

/** The splits that the data itself assigns. */
function ownSplits({ records }: Dataset): NamedRecords[] {
  const names = [...new Set(records.flatMap((record) => record.split ?? []))];
  return names.map((name) => ({ name, records: records.filter((record) => record.split === name) }));
}

function classCounts(dataset: Dataset, posts: readonly ExaminedPost[]): Record<string, number> {
  return Object.fromEntries(
    dataset.classes.map((name, label) => [name, posts.filter((post) => post.record.label === label).length]),
  );
}

function hashedPosts(
  dataset: Dataset,
  posts: readonly ExaminedPost[],
  splits: readonly { readonly name: string; readonly posts: readonly ExaminedPost[] }[],
): HashedPost[] {
  const hashed = (post: ExaminedPost, split: string | null): HashedPost => ({
    id: post.record.id,
    split,
    label: dataset.classes[post.record.label] ?? '',
    text: post.textHash,
    image: post.imageHash,
  });
  if (splits.length === 0) return posts.map((post) => hashed(post, null));
  return splits.flatMap((split) => split.posts.map((post) => hashed(post, split.name)));
}

function summarizeTexts(posts: readonly ExaminedPost[]): TextSummary {
  const texts = posts.flatMap((post) => post.text ?? []);
  return {
    present: texts.length,
    missing: posts.length - texts.length,
    characters: summarize(texts.map((text) => [...text].length)),
    words: summarize(texts.map((text) => text.split(/\s+/).length)),
    withLostEmoji: texts.filter((text) => text.includes('??')).length,
  };
}

function summarizeImages(posts: readonly ExaminedPost[]): ImageSummary {
  const images = posts.flatMap((post) => post.image ?? []);
  return {
    present: images.length,
    missing: posts.length - images.length,
    width: summarize(images.map((image) => image.width)),
    height: summarize(images.map((image) => image.height)),
    bytes: summarize(images.map((image) => image.bytes)),
    formats: countNames(images.map((image) => image.format)),
  };
}

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
async function examine(dataset: Dataset, record: PostRecord, check: ImageCheck): Promise<ExaminedPost | RowError> {
  try {
    const [text, bytes] = await Promise.all([dataset.readText(record), record.image?.bytes() ?? null]);
    const subject = `${dataset.name} post ${record.id}, image ${record.image?.description ?? ''}`;
    const { maximumPixels } = DEFAULT_IMAGE_DECODING;
    const header = bytes === null ? null : await readImageHeader(subject, bytes, maximumPixels).catch(asUnusableRow);
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

/** Five numbers about many. */
export interface NumberSummary {
  readonly count: number;
  readonly minimum: number;
  readonly median: number;
  readonly mean: number;
  readonly maximum: number;
}

/** Summarizes numbers, or `null` when there are none. The median of an even count is the mean of the middle two. */
export function summarize(values: readonly number[]): NumberSummary | null {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  const at = (index: number): number => sorted[index] as number;
  const middle = (sorted.length - 1) / 2;
  return {
    count: sorted.length,
    minimum: at(0),
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    mean: sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
    maximum: at(sorted.length - 1),
  };
}

/** How often each name occurs, most frequent first. */
export function countNames(names: readonly string[]): Readonly<Record<string, number>> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Object.fromEntries([...counts].sort((a, b) => b[1] - a[1]));
}
