import { ConfigurationError, DataError, DrfError } from '@drf/tensor';
import type { FrozenEncoder } from '../contract.js';
import { encodeLoaded, loadItem, type EncodeItem, type LoadedItem } from './encode-batch.js';
import type { FeatureCache } from './feature-cache.js';
import { StoredFeatures, type FeatureStore } from './feature-store.js';
import { inGroups, lookAhead } from './look-ahead.js';
import { MemoryRows, type RowStore } from './row-store.js';

/** How far {@link encodeWithCache} is. */
export interface EncodeProgress {
  /** Items whose outcome is known: cached, encoded, or failed. */
  readonly done: number;
  readonly total?: number;
  /** Items that needed no encoding: found in the cache, or of the same key as one before. */
  readonly cached: number;
  readonly encoded: number;
  readonly failed: number;
}

/** What to encode, by what, and where features are kept. */
export interface EncodeOptions<Content> {
  readonly encoder: FrozenEncoder<Content>;
  readonly items: Iterable<EncodeItem<Content>> | AsyncIterable<EncodeItem<Content>>;
  /** Without one, features are kept in memory. */
  readonly cache?: FeatureCache;
  /** How many items there are, for the progress; an array says so itself. */
  readonly total?: number;
  /** Contents encoded at a time; as many more load meanwhile. Default the encoder's choice. */
  readonly batchSize?: number;
  /** Called after each batch. */
  readonly onProgress?: (progress: EncodeProgress) => void;
  /** Is told of an item that cannot be loaded or encoded, which is then left out; without it such an item ends all. */
  readonly onRowError?: (item: EncodeItem<Content>, error: DrfError) => void;
  /** Ends the work after the current batch, which is kept. */
  readonly signal?: AbortSignal;
}

/** Keys that are looked up, and whose rows are checked, at a time. */
const LOOKUP_SIZE = 256;

class EncodeRun<Content> {
  private readonly store: RowStore;
  private readonly keys: string[] = [];
  /** Keys that are under way or done, with further items of the same key, which share their fate. */
  private readonly scheduled = new Map<string, EncodeItem<Content>[]>();
  private readonly errors = new Map<string, unknown>();
  private cached = 0;
  private encoded = 0;
  private failed = 0;

  constructor(private readonly options: EncodeOptions<Content>) {
    this.store = options.cache ?? new MemoryRows(options.encoder.outputDim);
  }

  async run(): Promise<FeatureStore> {
    try {
      for await (const batch of lookAhead(this.loadedBatches())) {
        this.options.signal?.throwIfAborted();
        await this.encode(batch);
        await this.store.flush();
        this.report();
      }
    } catch (error) {
      await this.store.flush().catch(() => undefined); // the first error is the one to hear about
      throw error;
    }
    return new StoredFeatures(this.store, this.keys, this.options.encoder.outputDim);
  }

  private async *loadedBatches(): AsyncGenerator<LoadedItem<Content>[], void> {
    const { encoder, batchSize = encoder.preferredBatch ?? 16 } = this.options;
    for await (const batch of inGroups(this.missing(), batchSize)) {
      const lacking = batch.filter(({ key }) => !this.store.has(key)); // another process may have come first
      this.cached += batch.length - lacking.length;
      yield await Promise.all(lacking.map(loadItem));
    }
  }

  /** The items that the store lacks, each key once. Rows that it has are read, so that a damaged one shows up. */
  private async *missing(): AsyncGenerator<EncodeItem<Content>, void> {
    for await (const group of inGroups(this.options.items, LOOKUP_SIZE)) {
      this.options.signal?.throwIfAborted();
      await this.options.cache?.refresh();
      const rows = await this.store.get(group.map(({ key }) => key));
      let lacking = 0;
      for (const [i, item] of group.entries()) {
        this.keys.push(item.key);
        if (rows[i] !== undefined) continue;
        const alike = this.scheduled.get(item.key);
        if (alike === undefined) {
          this.scheduled.set(item.key, []);
          lacking++;
          yield item;
        } else if (this.errors.has(item.key)) {
          lacking++;
          this.fail(item, this.errors.get(item.key));
        } else if (!this.store.has(item.key)) {
          alike.push(item);
        }
      }
      this.cached += group.length - lacking;
      this.report();
    }
  }

  private async encode(batch: readonly LoadedItem<Content>[]): Promise<void> {
    for (const entry of await encodeLoaded(this.options.encoder, batch)) {
      if ('row' in entry) {
        this.store.put(entry.item.key, entry.row);
        this.encoded++;
      } else {
        this.errors.set(entry.item.key, entry.error);
        this.fail(entry.item, entry.error);
        const alike = this.scheduled.get(entry.item.key) ?? [];
        this.cached -= alike.length;
        for (const item of alike) this.fail(item, entry.error);
      }
      this.scheduled.set(entry.item.key, []);
    }
  }

  private fail(item: EncodeItem<Content>, error: unknown): void {
    const explained = explain(item, error);
    if (this.options.onRowError === undefined) throw explained;
    this.failed++;
    this.options.onRowError(item, explained);
  }

  private report(): void {
    const { cached, encoded, failed } = this;
    const { items, total = Array.isArray(items) ? items.length : undefined } = this.options;
    const counts = { done: cached + encoded + failed, cached, encoded, failed };
    this.options.onProgress?.(total === undefined ? counts : { ...counts, total });
  }
}

/** Errors of this project name what they are about; others get the item's name. */
function explain<Content>(item: EncodeItem<Content>, error: unknown): DrfError {
  if (error instanceof DrfError) return error;
  const received = error instanceof Error ? error.message : String(error);
  const subject = `Loading ${item.name ?? item.key}`;
  return new DataError({ subject, expected: 'its content', received }, { cause: error });
}

function assertOptions<Content>({ cache, encoder, batchSize }: EncodeOptions<Content>): void {
  if (cache !== undefined && cache.encoderId !== encoder.id) {
    throw new ConfigurationError({
      subject: 'encodeWithCache',
      expected: `a cache of encoder "${encoder.id}"`,
      received: `one of "${cache.encoderId}"`,
      remedy: 'open the cache with the encoder that you pass',
    });
  }
  if (batchSize !== undefined && !(Number.isInteger(batchSize) && batchSize > 0)) {
    const received = String(batchSize);
    throw new ConfigurationError({
      subject: 'encodeWithCache, batchSize,',
      expected: 'a whole number above 0',
      received,
    });
  }
}

/**
 * Encodes what the cache lacks, batch by batch, and flushes after each: an interruption (a kill, a full disk, Ctrl-C
 * by `signal`) loses the batch at hand only. A second run loads nothing and encodes nothing. Memory holds two batches
 * of contents and an index, whatever the number of items.
 * @throws DataError of an item, NonFiniteError naming an item whose feature holds NaN or infinity (both unless
 * `onRowError` takes them), ConfigurationError when the cache is another encoder's, the signal's reason when aborted
 */
export async function encodeWithCache<Content>(options: EncodeOptions<Content>): Promise<FeatureStore> {
  assertOptions(options);
  return new EncodeRun(options).run();
}
