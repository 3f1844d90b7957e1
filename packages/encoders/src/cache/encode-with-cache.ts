import { ConfigurationError, DataError, DrfError, floatData, NonFiniteError, ShapeMismatchError } from '@drf/tensor';
import { assertRow, type FeatureStore, MemoryRows, type RowStore, StoredFeatures } from './feature-cache.js';
import type { FrozenEncoder } from '../contract.js';

/** Runs a generator one item ahead of its consumer, so that reading the next item overlaps work on this one. */
async function* lookAhead<Item>(source: AsyncGenerator<Item, void>): AsyncGenerator<Item, void> {
  const advance = (): Promise<IteratorResult<Item, void>> => {
    const next = source.next();
    next.catch(() => undefined); // reported when it is its turn
    return next;
  };
  let upcoming = advance();
  try {
    for (;;) {
      const { done, value } = await upcoming;
      if (done === true) return;
      upcoming = advance();
      yield value;
    }
  } finally {
    await source.return();
  }
}

/** Groups items into lists of a size; the last may be shorter. */
async function* inGroups<Item>(
  items: Iterable<Item> | AsyncIterable<Item>,
  size: number,
): AsyncGenerator<Item[], void> {
  let group: Item[] = [];
  for await (const item of items) {
    group.push(item);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

/** Something to encode. `load` is called only when the cache lacks the key. */
export interface EncodeItem<Content> {
  /** Decides the content: see `featureKey`. Items of one key are encoded once. */
  readonly key: string;
  /** For messages ("post 4499"); default the key. */
  readonly name?: string;
  /** The content itself; asked for when its feature is not in the cache. */
  load(): Promise<Content>;
}

/** An item with its content, or with why there is none. */
type LoadedItem<Content> = { readonly item: EncodeItem<Content> } & (
  { readonly content: Content; readonly error?: undefined } | { readonly error: unknown }
);

/** An item with its feature, or with why there is none. */
type EncodedItem<Content> = { readonly item: EncodeItem<Content> } & (
  { readonly row: Float32Array; readonly error?: undefined } | { readonly error: unknown }
);

async function loadItem<Content>(item: EncodeItem<Content>): Promise<LoadedItem<Content>> {
  try {
    return { item, content: await item.load() };
  } catch (error) {
    return { item, error };
  }
}

/** Errors that one item causes, and not the encoder's state or the machine. */
function isItemError(error: unknown): error is DrfError {
  return error instanceof DataError || error instanceof NonFiniteError;
}

async function encodeRows<Content>(encoder: FrozenEncoder<Content>, contents: Content[]): Promise<Float32Array[]> {
  const features = await encoder.encode(contents);
  const { shape } = features;
  if (shape.length !== 2 || shape[0] !== contents.length || shape[1] !== encoder.outputDim) {
    throw new ShapeMismatchError({
      subject: `encode() of encoder "${encoder.id}"`,
      expected: `[${contents.length}, ${encoder.outputDim}]`,
      received: `[${shape.join(', ')}]`,
    });
  }
  const data = floatData(features);
  return contents.map((_, i) => data.subarray(i * encoder.outputDim, (i + 1) * encoder.outputDim));
}

/** A row with its item, or the complaint that it cannot be kept. */
function checked<Content>(encoder: FrozenEncoder<Content>, item: EncodeItem<Content>, row: Float32Array) {
  try {
    assertRow(
      `feature of ${item.name ?? item.key} by encoder "${encoder.id}"`,
      row,
      encoder.outputDim,
      encoder.storage,
    );
    return { item, row };
  } catch (error) {
    return { item, error };
  }
}

/**
 * Encodes loaded items at once. When an item makes the encoder fail, each is encoded alone, so that only that one is
 * lost. Errors that no item causes are thrown.
 */
async function encodeLoaded<Content>(
  encoder: FrozenEncoder<Content>,
  batch: readonly LoadedItem<Content>[],
): Promise<EncodedItem<Content>[]> {
  const failed: EncodedItem<Content>[] = batch.flatMap((entry) =>
    'content' in entry ? [] : [{ item: entry.item, error: entry.error }],
  );
  const loaded = batch.flatMap((entry) => ('content' in entry ? [entry] : []));
  if (loaded.length === 0) return failed;
  try {
    const contents = loaded.map(({ content }) => content);
    const rows = await encodeRows(encoder, contents);
    return [...failed, ...loaded.map(({ item }, i) => checked(encoder, item, rows[i] as Float32Array))];
  } catch (error) {
    if (!isItemError(error)) throw error;
    const only = loaded[0] as LoadedItem<Content>;
    if (loaded.length === 1) return [...failed, { item: only.item, error }];
    const alone: EncodedItem<Content>[] = [];
    for (const entry of loaded) alone.push(...(await encodeLoaded(encoder, [entry])));
    return [...failed, ...alone];
  }
}

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
  readonly cache?: RowStore;
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
    this.store = options.cache ?? new MemoryRows(options.encoder.outputDim, options.encoder.storage);
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
      await this.options.cache?.refresh?.();
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
  if (cache?.encoderId !== undefined && cache.encoderId !== encoder.id) {
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
