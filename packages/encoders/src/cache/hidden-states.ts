import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { contentHash, lockFile, type FileLock } from '@drf/files';
import {
  CheckpointError,
  ConfigurationError,
  DataError,
  floatData,
  mapAhead,
  type Program,
  partitionTree,
  refuser,
  type Engine,
  type HostTensor,
  type HostTree,
  type TensorTree,
} from '@drf/tensor';
import { cutBatches, emptyRows, LARGEST_BATCH } from '../batches.js';
import {
  DEFAULT_MASK_TOKEN,
  type EncoderSplit,
  type FrozenEncoder,
  type TextReader,
  type TrainableEncoder,
} from '../contract.js';
import { encodeWithCache, type EncodeItem, type EncodeOptions } from './encode-with-cache.js';
import { FeatureCache, MemoryRows, openFeatureCache, type RowStore, storedRowWidth } from './feature-cache.js';

/** An encoder whose lower layers are frozen. */
export type PartedEncoder<Content> = TrainableEncoder<Content> & { readonly split: EncoderSplit } & Partial<TextReader>;

/** Where hidden states are kept, and how. */
export interface HiddenStatesOptions<Content> {
  /** The feature cache's folder; left out: states are kept in memory. */
  readonly root?: string | undefined;
  /** Computes what is lacking. */
  readonly engine: Engine;
  /** Any content; images are all made as large as the model reads them, so it tells how many tokens one has. */
  readonly example: Content;
  /** Half precision keeps 11 significant bits, in half the space. Default: float16. */
  readonly storage?: 'float16' | 'float32';
}

/** A content whose states are asked for. */
export interface WantedStates<Content> {
  /** As {@link HiddenStates.encode} was given it. */
  readonly key: string;
  /** Read for texts alone, whose tokens decide what is padding. */
  readonly content: Content | undefined;
}

/** Texts are kept in rows of whole blocks of so many tokens, each size in a cache of its own. */
const BLOCK = 8;
/** Texts whose tokens are counted at once. */
const TEXTS_AT_ONCE = 64;
/** How often a process looks whether another one has computed what both want. */
const LOOK_MILLISECONDS = 200;

/** What {@link EncoderSplit.lower} gives, on the host: states [batch, token, dim], and mask and ids of texts. */
type LowerProgram = Program<TensorTree, TensorTree>;

/**
 * Hidden states below the first trained layer of an encoder, kept on disk: one row a content and disruption, in the
 * feature cache. A step then costs what the trained layers cost.
 *
 * ```ts
 * const states = new HiddenStates(encoder, { root, engine, example: '' });
 * await states.encode({ items }); // what the cache lacks
 * await states.release(); // frees the lower layers
 * const inputs = await states.gather([{ key, content }]); // for encoder.split.upper
 * ```
 */
export class HiddenStates<Content> {
  private readonly stores = new Map<number, Promise<RowStore>>();
  private readonly caches: FeatureCache[] = [];
  private readonly dim: number;
  private imageTokens: number | undefined;
  private lower: Promise<LowerProgram> | undefined;

  /** @throws ConfigurationError for an encoder that does not say how wide its tokens are */
  constructor(
    private readonly encoder: PartedEncoder<Content>,
    private readonly options: HiddenStatesOptions<Content>,
  ) {
    if (encoder.tokenDim === undefined) {
      const refuse = refuser(ConfigurationError, `Encoder "${encoder.id}"`);
      throw refuse('tokenDim, the width of its hidden states', 'none', 'give it, or leave out the split');
    }
    this.dim = encoder.tokenDim;
  }

  /** Decides the states: the encoder and where it is parted. */
  get id(): string {
    return `${this.encoder.id}:below-${this.encoder.split.layer}`;
  }

  /** Bytes on disk of a content of so many tokens. */
  rowBytes(tokens: number): number {
    return tokens * this.dim * (this.storage === 'float16' ? 2 : 4);
  }

  /** How numbers are kept. */
  get storage(): 'float16' | 'float32' {
    return this.options.storage ?? 'float16';
  }

  /**
   * Tokens that are kept of each content: all of an image's, and of a text's its own, rounded up to whole blocks.
   * @param contents of images only their number is looked at
   */
  async tokensOf(contents: readonly (Content | undefined)[]): Promise<number[]> {
    if (this.encoder.modality === 'image') {
      const tokens = await this.tokensOfImages();
      return contents.map(() => tokens);
    }
    const counts: number[] = [];
    for (let start = 0; start < contents.length; start += TEXTS_AT_ONCE) {
      const { mask } = await this.texts(contents.slice(start, start + TEXTS_AT_ONCE));
      counts.push(...tokenCounts(mask).map(inBlocks));
    }
    return counts;
  }

  /** Which of the keys are there. @param tokens of each, as {@link HiddenStates.tokensOf} gives them */
  async has(keys: readonly string[], tokens: readonly number[]): Promise<boolean[]> {
    const found: boolean[] = [];
    for (const [i, key] of keys.entries()) found.push((await this.storeOf(tokens[i] as number)).has(key));
    return found;
  }

  /**
   * Computes and stores what is lacking, as {@link encodeWithCache} does, size by size. Where several processes want the
   * same contents, one computes them, and the others wait for it.
   * @throws as {@link encodeWithCache}
   */
  async encode({ items, onProgress, ...options }: Omit<EncodeOptions<Content>, 'encoder' | 'cache'>): Promise<void> {
    const groups = await this.grouped(items);
    const before = { done: 0, cached: 0, encoded: 0, failed: 0 };
    for (const [tokens, own] of groups) {
      let last = { done: 0, cached: 0, encoded: 0, failed: 0 };
      const cache = await this.storeOf(tokens);
      const turn = await takeTurn(cache, own.map(({ key }) => key), options.signal); // prettier-ignore
      try {
        if (turn !== undefined) await cache.refresh?.();
        await encodeWithCache<Content>({
          ...options,
          encoder: this.rowEncoder(tokens),
          cache,
          items: own,
          onProgress: (progress) => {
            last = progress;
            onProgress?.({ ...added(before, progress), total: options.total });
          },
        });
      } finally {
        await turn?.release();
      }
      Object.assign(before, added(before, last));
    }
  }

  /** Publishes what is new where the cache is shared. @returns why that failed, if it did */
  async publish(): Promise<string | undefined> {
    let failure: string | undefined;
    for (const cache of this.caches) failure ??= await cache.publish();
    return failure;
  }

  /**
   * The inputs of {@link EncoderSplit.upper} for a batch, padded to its longest text.
   * @throws CheckpointError when states are not there, or damaged since
   */
  async gather(wanted: readonly WantedStates<Content>[]): Promise<HostTree> {
    if (this.encoder.modality === 'image') {
      const tokens = await this.tokensOfImages();
      return { states: await this.read(wanted, wanted.map(() => tokens), tokens) }; // prettier-ignore
    }
    const inputs = await this.texts(wanted.map(({ content }) => content));
    const length = inputs.mask.shape[1] as number;
    return { ...inputs, states: await this.read(wanted, tokenCounts(inputs.mask).map(inBlocks), length) };
  }

  /** The inputs of {@link EncoderSplit.upper} for contents, computed here and now; nothing is looked up or stored. */
  async compute(contents: readonly Content[]): Promise<HostTree> {
    return this.run(await this.encoder.preprocess(contents));
  }

  /** Frees the lower layers' parameters, until they are needed again. */
  async release(): Promise<void> {
    const { lower } = this;
    this.lower = undefined;
    await (await lower)?.dispose();
  }

  /** Frees the lower layers and closes the files; what is stored can still be read. */
  async close(): Promise<void> {
    await this.release();
    for (const cache of this.caches) await cache.close();
  }

  /** Rows of several caches in one tensor [batch, length, dim]; zeros after a text's end. */
  private async read(
    wanted: readonly WantedStates<Content>[],
    tokens: readonly number[],
    length: number,
  ): Promise<HostTensor> {
    const states = emptyRows(wanted.length, length, this.dim);
    const data = floatData(states);
    const size = length * this.dim;
    for (const each of new Set(tokens)) {
      const places = [...wanted.keys()].filter((place) => tokens[place] === each);
      const store = await this.storeOf(each);
      const rows = await rowsNow(store, places.map((place) => wanted[place]?.key as string)); // prettier-ignore
      rows.forEach((row, i) => {
        const place = places[i] as number;
        if (row === undefined) throw this.lost(wanted[place]?.key as string);
        data.set(row.subarray(0, size), place * size); // blocks may be longer than the batch
      });
    }
    return states;
  }

  private lost(key: string): CheckpointError {
    return refuser(CheckpointError, `Hidden states ${key} of ${this.id}`)(
      'the row that was stored',
      'none, or a damaged one',
      'go on with --resume: it will be computed anew',
    );
  }

  /** Ids and mask of texts, padded as the model likes them. */
  private async texts(contents: readonly (Content | undefined)[]): Promise<HostTree & { readonly mask: HostTensor }> {
    const inputs = await this.encoder.preprocess(contents as readonly Content[]);
    const { mask } = inputs;
    if (mask !== undefined && 'shape' in mask && 'data' in mask) return { ...inputs, mask: mask as HostTensor };
    const refuse = refuser(ConfigurationError, `Encoder "${this.encoder.id}"`);
    throw refuse('a "mask" [batch, token] among what it reads of texts', 'none', 'give it, or leave out the split');
  }

  private async grouped(
    items: EncodeOptions<Content>['items'],
  ): Promise<readonly (readonly [tokens: number, items: readonly EncodeItem<Content>[]])[]> {
    if (this.encoder.modality === 'image') {
      const all: EncodeItem<Content>[] = [];
      for await (const item of items) all.push(item);
      return [[await this.tokensOfImages(), all]];
    }
    const groups = new Map<number, EncodeItem<Content>[]>();
    let waiting: EncodeItem<Content>[] = [];
    const place = async (): Promise<void> => {
      const loaded = await Promise.allSettled(waiting.map((item) => item.load()));
      const present = [...loaded.keys()].filter((i) => loaded[i]?.status === 'fulfilled');
      const contents = present.map((i) => (loaded[i] as PromiseFulfilledResult<Content>).value);
      const tokens = await this.tokensOf(contents);
      const counts = new Map(present.map((i, place) => [i, tokens[place] as number]));
      waiting.forEach((item, i) => {
        const own = counts.get(i) ?? BLOCK; // what cannot be loaded fails there
        (groups.get(own) ?? groups.set(own, []).get(own))?.push(item);
      });
      waiting = [];
    };
    for await (const item of items) {
      waiting.push(item);
      if (waiting.length === TEXTS_AT_ONCE) await place();
    }
    await place();
    return [...groups].sort(([a], [b]) => a - b);
  }

  private storeOf(tokens: number): Promise<RowStore> {
    const known = this.stores.get(tokens);
    if (known !== undefined) return known;
    const opening = this.openStore(tokens);
    this.stores.set(tokens, opening);
    opening.catch(() => this.stores.delete(tokens));
    return opening;
  }

  private async openStore(tokens: number): Promise<RowStore> {
    const { root } = this.options;
    if (root === undefined) return new MemoryRows(tokens * this.dim, this.storage);
    const cache = await openFeatureCache(root, this.rowEncoder(tokens));
    this.caches.push(cache);
    return cache;
  }

  /** The lower layers as an encoder whose features are all states of a content, one after the other. */
  private rowEncoder(tokens: number): FrozenEncoder<Content> & TextReader {
    const { encoder, dim, storage } = this;
    return {
      id: this.rowId(tokens),
      modality: encoder.modality,
      trainable: false,
      outputDim: tokens * dim,
      storage,
      preferredBatch: 4 * LARGEST_BATCH,
      maskToken: encoder.maskToken ?? DEFAULT_MASK_TOKEN,
      preprocess: (contents) => encoder.preprocess(contents),
      encode: (contents) => this.rowsOf(contents, tokens),
      dispose: () => Promise.resolve(),
    };
  }

  private rowId(tokens: number): string {
    const kind = this.storage === 'float16' ? '' : `:${this.storage}`;
    return `${this.id}${this.encoder.modality === 'text' ? `:${tokens}-tokens` : ''}${kind}`;
  }

  private async rowsOf(contents: readonly Content[], tokens: number): Promise<HostTensor> {
    const { dim } = this;
    const rows = emptyRows(contents.length, tokens * dim);
    let start = 0;
    const { parallelRuns = 1, hasOneGraph } = await this.lowerProgram();
    const batches = cutBatches(contents, parallelRuns, hasOneGraph === false);
    const computed = mapAhead(batches, parallelRuns + 1, async (items) => {
      return { items, states: this.statesOf(await this.run(await this.encoder.preprocess(items))) };
    });
    for await (const { items, states } of computed) {
      const size = (states.shape[1] as number) * dim;
      const kept = Math.min(size, tokens * dim); // what is beyond a text's last block is padding
      for (let i = 0; i < items.length; i++) {
        floatData(rows).set(floatData(states).subarray(i * size, i * size + kept), (start + i) * tokens * dim);
      }
      start += items.length;
    }
    return rows;
  }

  /** [batch, token, dim] */
  private statesOf({ states }: HostTree): HostTensor {
    const { shape } = states as HostTensor;
    if (shape.length === 3 && shape[2] === this.dim) return states as HostTensor;
    const refuse = refuser(ConfigurationError, `Hidden states of encoder "${this.encoder.id}"`);
    throw refuse(`[batch, token, tokenDim ${this.dim}]`, `[${shape.join(', ')}]`, 'let tokenDim be their width');
  }

  /** Tokens of an image: as stored, else as the model makes them. */
  private async tokensOfImages(): Promise<number> {
    if (this.imageTokens !== undefined) return this.imageTokens;
    const { root } = this.options;
    const width = root === undefined ? undefined : await storedRowWidth(root, this.rowId(0));
    if (width !== undefined) return (this.imageTokens = width / this.dim);
    const states = this.statesOf(await this.compute([this.options.example]));
    return (this.imageTokens = states.shape[1] as number);
  }

  private async run(inputs: HostTree): Promise<HostTree> {
    return (await this.lowerProgram()).run(inputs);
  }

  private lowerProgram(): Promise<LowerProgram> {
    const { encoder, options } = this;
    const { split } = encoder;
    return (this.lower ??= options.engine.prepare<TensorTree, TensorTree, TensorTree>(
      (parameters, given) => split.lower(parameters, given),
      lowerParameters(encoder),
      { parallel: true, dynamicAxes: split.dynamicAxes ?? [] },
    ));
  }
}

/**
 * Waits until no other process is about to store rows of the same keys.
 * @returns until when others wait; undefined where nothing is lacking, or no other process can see the store
 * @throws the signal's reason when aborted
 */
async function takeTurn(
  store: RowStore,
  keys: readonly string[],
  signal: AbortSignal | undefined,
): Promise<FileLock | undefined> {
  if (!(store instanceof FeatureCache) || keys.every((key) => store.has(key))) return undefined;
  const path = join(store.folder, `${contentHash(JSON.stringify(keys))}.lock`);
  const take = async (): Promise<FileLock> => {
    await mkdir(store.folder, { recursive: true });
    return lockFile(path, `Hidden states in ${store.folder}`);
  };
  for (;;) {
    const turn = await take().catch((error: unknown) => (error instanceof DataError ? 'held' : undefined));
    if (turn !== 'held') return turn; // a folder in which no lock can be made takes no rows either, which is said then
    await wait(LOOK_MILLISECONDS);
    signal?.throwIfAborted();
  }
}

/** Rows of a store, those among them that another session or process has stored since it was opened. */
async function rowsNow(store: RowStore, keys: readonly string[]): Promise<(Float32Array | undefined)[]> {
  const rows = await store.get(keys);
  if (store.refresh === undefined || !rows.includes(undefined)) return rows;
  await store.refresh();
  return store.get(keys);
}

/** Parameters that only the lower layers read. */
function lowerParameters<Content>({ initialParameters, split }: PartedEncoder<Content>): HostTree {
  return partitionTree<HostTensor>(initialParameters, split.isLower)[0];
}

/** A trained encoder from its first trained layer on. */
export interface UpperEncoder<Content> extends TrainableEncoder<Content>, Partial<TextReader> {
  /** Frozen parameters below it, which no step reads. */
  readonly beneath: HostTree;
  /** What it reads. */
  readonly states: HiddenStates<Content>;
}

/**
 * The part of an encoder that is trained, as an encoder that reads {@link HiddenStates}. Its parameters are those of the
 * whole encoder under the same names, but for what only the lower layers read.
 */
export function upperEncoder<Content>(
  encoder: PartedEncoder<Content>,
  options: HiddenStatesOptions<Content>,
): UpperEncoder<Content> {
  const { split, modality, outputDim, tokenDim, tokenCount, preferredBatch, maskToken } = encoder;
  const states = new HiddenStates(encoder, options);
  const [beneath, initialParameters] = partitionTree<HostTensor>(encoder.initialParameters, split.isLower);
  return {
    id: `${encoder.id}:from-${split.layer}`,
    modality,
    outputDim,
    trainable: true,
    ...(tokenDim === undefined ? {} : { tokenDim }),
    ...(tokenCount === undefined ? {} : { tokenCount }),
    ...(preferredBatch === undefined ? {} : { preferredBatch }),
    ...(maskToken === undefined ? {} : { maskToken }),
    beneath,
    states,
    initialParameters,
    isTrained: (name) => encoder.isTrained(name),
    preprocess: (contents) => states.compute(contents),
    apply: (parameters, inputs) => split.upper(parameters, inputs),
    applyTokens: (parameters, inputs) => split.upperTokens(parameters, inputs),
    dispose: () => states.close(),
  };
}

/** Whether an encoder has lower layers that are frozen. */
export function isParted<Content>(
  encoder: TrainableEncoder<Content> | FrozenEncoder<Content>,
): encoder is PartedEncoder<Content> {
  return encoder.trainable && encoder.split !== undefined;
}

function tokenCounts({ data, shape }: HostTensor): number[] {
  const [texts, length] = shape as [number, number];
  return Array.from({ length: texts }, (_, text) =>
    (data as Float32Array).subarray(text * length, (text + 1) * length).reduce((sum, value) => sum + value, 0),
  );
}

function inBlocks(tokens: number): number {
  return Math.max(1, Math.ceil(tokens / BLOCK)) * BLOCK;
}

type Counts = { readonly done: number; readonly cached: number; readonly encoded: number; readonly failed: number };

function added(first: Counts, second: Counts): { done: number; cached: number; encoded: number; failed: number } {
  return {
    done: first.done + second.done,
    cached: first.cached + second.cached,
    encoded: first.encoded + second.encoded,
    failed: first.failed + second.failed,
  };
}
