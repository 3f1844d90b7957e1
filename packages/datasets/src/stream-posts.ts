import { ConfigurationError, mapAhead, type Post, type Random } from '@drf/tensor';
import type { Dataset, PostRecord } from './dataset.js';
import { RowError } from './ledger.js';

/** How posts come in batches: how many, in what order, how far ahead. */
export interface StreamOptions {
  /** Posts in a batch; the last may have fewer. */
  readonly batchSize: number;
  /** Order by seed: the same stream and epoch give the same order, and each epoch another. Default: the given order. */
  readonly shuffle?: { readonly random: Random; readonly epoch: number };
  /** Posts that are decoded ahead of use, side by side; bounds memory. Default 2 × batchSize, at least 8. */
  readonly ahead?: number;
  /** Told of every post that cannot be read; it is in the ledger as well, and the stream goes on with the next. */
  readonly onRowError?: (record: PostRecord, error: RowError) => void;
}

/**
 * Reads posts in batches, decoding in parallel ahead of use. Memory does not grow with the number of posts: at any time
 * at most `ahead` decoded posts and one batch exist. Leaving the loop early stops the reading.
 * @throws ConfigurationError when a size is not a whole number from 1
 */
export async function* streamPosts(
  dataset: Dataset,
  records: readonly PostRecord[],
  options: StreamOptions,
): AsyncGenerator<readonly Post[]> {
  const { batchSize, ahead = Math.max(8, 2 * batchSize) } = options;
  checkSize('batchSize', batchSize);
  checkSize('ahead', ahead);
  let batch: Post[] = [];
  for await (const post of readAhead(dataset, ordered(records, options.shuffle), ahead, options.onRowError)) {
    batch.push(post);
    if (batch.length < batchSize) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** The order of an epoch. */
function ordered(records: readonly PostRecord[], shuffle: StreamOptions['shuffle']): readonly PostRecord[] {
  if (shuffle === undefined) return records;
  return shuffle.random.fork('order').fork(shuffle.epoch).shuffle(records);
}

async function* readAhead(
  dataset: Dataset,
  records: readonly PostRecord[],
  ahead: number,
  onRowError: StreamOptions['onRowError'],
): AsyncGenerator<Post> {
  for await (const { record, post, error } of mapAhead(records, ahead, (next) => tryRead(dataset, next))) {
    if (post !== null) {
      yield post;
      continue;
    }
    dataset.ledger.reject({ id: record.id, reason: error.reason, detail: error.message });
    onRowError?.(record, error);
  }
}

type ReadResult = { readonly record: PostRecord } & (
  { readonly post: Post; readonly error: null } | { readonly post: null; readonly error: RowError }
);

/** Errors of a row become results, so that they are reported in the records' order. */
async function tryRead(dataset: Dataset, record: PostRecord): Promise<ReadResult> {
  try {
    return { record, post: await dataset.read(record), error: null };
  } catch (error) {
    if (error instanceof RowError) return { record, post: null, error };
    throw error;
  }
}

function checkSize(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 1) return;
  const report = { subject: `streamPosts option ${name}`, expected: 'a whole number from 1', received: String(value) };
  throw new ConfigurationError(report);
}
