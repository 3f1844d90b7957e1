import type { Dataset, PostRecord } from '../dataset.js';
import type { LedgerReport } from '../ledger.js';
import { mapAhead } from '../parallel.js';
import { RowError } from '../row-error.js';
import { findDuplicates, type DuplicateReport, type HashedPost } from '../splits/duplicates.js';
import { examine, type ExaminedPost, type ImageCheck } from './examine.js';
import { countNames, summarize, type NumberSummary } from './summary.js';

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
