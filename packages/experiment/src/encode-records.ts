import { mapAhead, RowError, type Dataset, type PostRecord } from '@drf/datasets';
import {
  applyDisruption,
  countWords,
  disruptionKey,
  fillMissing,
  planDisruptions,
  type DisruptionEntry,
  type PostPresence,
  type Strategy,
} from '@drf/disruption';
import {
  encodeWithCache,
  featureKey,
  openFeatureCache,
  tokenLayoutOf,
  tokenRowEncoder,
  type EncodeItem,
  type FeatureCache,
  type FeatureStore,
  type FrozenEncoder,
  type TokenLayout,
} from '@drf/encoders';
import type { MethodNeeds } from '@drf/model';
import { DataError, hostTensor, type HostTensor, type Modality, type Post, type RgbImage } from '@drf/tensor';
import { memoryRows, type FeatureRows, type FeatureSet } from './feature-set.js';
import type { Session } from './session.js';
import { halfMemoryRows, tokenRows } from './token-rows.js';

export interface EncodeOptions {
  readonly dataset: Dataset;
  readonly records: readonly PostRecord[];
  /** What is done to the posts before they are encoded; or the entries themselves, as read from a manifest. */
  readonly strategy: Strategy | { readonly kind: 'manifest'; readonly byId: ReadonlyMap<string, DisruptionEntry> };
  /** Of the disruptions. */
  readonly seed: number;
  readonly session: Session;
  /** Folder of the feature cache. */
  readonly cache: string;
  /** What the method asks for beyond features: tokens, stand-ins for missing modalities. */
  readonly needs?: MethodNeeds;
  /** Posts encoded at once; default: the encoder's choice. */
  readonly batchSize?: number;
  /** Starts a progress display. */
  readonly job?: (label: string) => { update(done: number, total: number): void; stop(): void };
  /** Told of each post that cannot be read; it is left out and listed in the data set's ledger. */
  readonly onRowError?: (message: string, id: string) => void;
  readonly signal?: AbortSignal;
}

/** Encoded posts, and what was done to them first. */
export interface EncodedRecords {
  readonly set: FeatureSet;
  readonly entries: readonly DisruptionEntry[];
  /** The records behind the rows of `set`. */
  readonly records: readonly PostRecord[];
}

/** Files that are read side by side. */
const FILES_AHEAD = 64;

/** A record with its text read and its disruption decided. */
interface PlannedRecord {
  readonly record: PostRecord;
  readonly text: string | null;
  readonly entry: DisruptionEntry | undefined;
}

/**
 * Posts → disruption → encoders → features. What the cache holds is neither read nor encoded again. A post whose image
 * or text cannot be read is reported and left out; the others go on.
 */
export async function encodeRecords(options: EncodeOptions): Promise<EncodedRecords> {
  const { session, needs } = options;
  const failed = new Set<string>();
  const fail = (record: PostRecord, error: DataError): void => {
    if (failed.has(record.id)) return;
    failed.add(record.id);
    const reason = error instanceof RowError ? error.reason : 'unreadable file';
    options.dataset.ledger.reject({ id: record.id, reason, detail: error.message });
    options.onRowError?.(error.message, record.id);
  };
  const planned = await planRecords(options, fail);
  const encode = (modality: Modality, encoder: AnyEncoder, label: string): Promise<ModalityFeatures> =>
    encodeModality(options, { modality, encoder, label }, planned, fail);
  const image = await encode('image', session.image as AnyEncoder, 'Encoding images');
  const text = await encode('text', session.text as AnyEncoder, 'Encoding texts');
  const tokens = (modality: Modality, label: string): Promise<ModalityFeatures> | undefined =>
    needs?.tokens === true ? encode(modality, tokenRowEncoder(session[modality] as AnyEncoder), label) : undefined;
  const imageTokens = await tokens('image', 'Encoding places of images');
  const textTokens = await tokens('text', 'Encoding word pieces');
  const layoutOf = (modality: Modality): TokenLayout => tokenLayoutOf(session[modality]);
  const kept = planned.map((_, i) => i).filter((i) => !failed.has((planned[i] as PlannedRecord).record.id));
  const records = kept.map((i) => (planned[i] as PlannedRecord).record);
  return {
    set: {
      ids: records.map(({ id }) => id),
      labels: Int32Array.from(records, ({ label }) => label),
      image: await image.rows(kept),
      text: await text.rows(kept),
      imageAvailable: Float32Array.from(kept, (i) => (image.has(i) ? 1 : 0)),
      textAvailable: Float32Array.from(kept, (i) => (text.has(i) ? 1 : 0)),
      ...(imageTokens === undefined ? {} : { imageTokens: tokenRows(await imageTokens.rows(kept), layoutOf('image')) }),
      ...(textTokens === undefined ? {} : { textTokens: tokenRows(await textTokens.rows(kept), layoutOf('text')) }),
    },
    entries: kept.flatMap((i) => (planned[i] as PlannedRecord).entry ?? []),
    records,
  };
}

/** Reads the texts (what the plan must know of a post) and decides the disruptions. */
async function planRecords(
  { dataset, records, strategy, seed }: EncodeOptions,
  fail: (record: PostRecord, error: DataError) => void,
): Promise<PlannedRecord[]> {
  const texts: { record: PostRecord; text: string | null }[] = [];
  const read = async (record: PostRecord): Promise<{ record: PostRecord; text?: string | null; error?: DataError }> => {
    try {
      return { record, text: await dataset.readText(record) };
    } catch (error) {
      if (error instanceof DataError) return { record, error };
      throw error;
    }
  };
  for await (const { record, text, error } of mapAhead(records, FILES_AHEAD, read)) {
    if (error === undefined) texts.push({ record, text: text ?? null });
    else fail(record, error);
  }
  const presence = texts.map(({ record, text }): PostPresence => ({
    id: record.id,
    hasImage: record.image !== null,
    hasText: text !== null && countWords(text) > 0,
  }));
  const byId =
    strategy.kind === 'manifest'
      ? strategy.byId
      : new Map(planDisruptions(presence, strategy, seed).map((entry) => [entry.id, entry] as const));
  return texts.map(({ record, text }) => ({ record, text, entry: byId.get(record.id) }));
}

/** Features of one modality, addressed by the posts' places in the plan. */
interface ModalityFeatures {
  has(place: number): boolean;
  rows(places: readonly number[]): Promise<FeatureRows>;
}

type Content = RgbImage | string;
type AnyEncoder = FrozenEncoder<Content>;

/** One pass over the posts: what is encoded by what, and how the progress display calls it. */
interface EncodingPass {
  readonly modality: Modality;
  readonly encoder: AnyEncoder;
  readonly label: string;
}

async function encodeModality(
  options: EncodeOptions,
  { modality, encoder, label }: EncodingPass,
  planned: readonly PlannedRecord[],
  fail: (record: PostRecord, error: DataError) => void,
): Promise<ModalityFeatures> {
  const { batchSize, signal, needs } = options;
  const cache = await openFeatureCache(options.cache, encoder);
  const present = [...planned.keys()].filter(
    (place) => needs?.bothModalities === true || isPresent(planned[place] as PlannedRecord, modality),
  );
  const itemOf = new Map<number, number>(); // place in the plan → item of the store
  const progress = options.job?.(label);
  try {
    const store = await encodeWithCache<Content>({
      encoder,
      cache,
      batchSize,
      signal,
      total: present.length,
      items: items(options, modality, planned, present, itemOf, fail),
      onProgress: ({ done, total = present.length }) => progress?.update(done, total),
      onRowError: (item, error) => {
        const place = (item as PlacedItem).place;
        fail((planned[place] as PlannedRecord).record, error);
      },
    });
    return {
      has: (place) => itemOf.has(place),
      rows: (places) =>
        rowsOf(
          store,
          places.map((place) => itemOf.get(place) ?? -1),
          cache,
          encoder.storage === 'float16',
        ),
    };
  } finally {
    progress?.stop();
  }
}

type PlacedItem = EncodeItem<Content> & { readonly place: number };

async function* items(
  options: EncodeOptions,
  modality: Modality,
  planned: readonly PlannedRecord[],
  present: readonly number[],
  itemOf: Map<number, number>,
  fail: (record: PostRecord, error: DataError) => void,
): AsyncGenerator<PlacedItem> {
  const { dataset } = options;
  const mask = options.session.text.maskToken;
  const hash = async (place: number): Promise<{ place: number; content?: string; error?: DataError }> => {
    const plan = planned[place] as PlannedRecord;
    if (!isPresent(plan, modality)) return { place, content: STAND_IN };
    try {
      return { place, content: await dataset.contentHash(plan.record, modality) };
    } catch (error) {
      if (error instanceof DataError) return { place, error };
      throw error;
    }
  };
  for await (const { place, content, error } of mapAhead(present, FILES_AHEAD, hash)) {
    const plan = planned[place] as PlannedRecord;
    if (error !== undefined || content === undefined) {
      fail(plan.record, error as DataError);
      continue;
    }
    itemOf.set(place, itemOf.size);
    const key =
      content === STAND_IN
        ? featureKey(STAND_IN, mask)
        : featureKey(content, disruptionKey(plan.entry, { modality, mask }));
    yield { key, place, name: `post ${plan.record.id}`, load: () => loadContent(dataset, plan, modality, mask) };
  }
}

/** Features up to this size are held in memory; larger ones stay in the cache's files. */
const MEMORY_LIMIT_BYTES = 1024 ** 3;

/** Rows by item; zeros where a post lacks the modality (item −1). The cache stays open only if rows stay in it. */
async function rowsOf(
  store: FeatureStore,
  itemsOfPosts: readonly number[],
  cache: FeatureCache,
  inHalf: boolean,
): Promise<FeatureRows> {
  const { outputDim: dim } = store;
  const gather = async (indices: readonly number[]): Promise<HostTensor> => {
    const wanted = indices.map((index) => itemsOfPosts[index] as number);
    const rows = hostTensor(new Float32Array(indices.length * dim), [indices.length, dim]);
    const present = wanted.flatMap((item, row) => (item < 0 ? [] : [{ item, row }]));
    const found = await store.rows(present.map(({ item }) => item));
    present.forEach(({ row }, i) => rows.data.set(found.data.subarray(i * dim, (i + 1) * dim), row * dim));
    return rows;
  };
  const fits = itemsOfPosts.length * dim * (inHalf ? 2 : 4) <= MEMORY_LIMIT_BYTES;
  if (!fits) return { dim, gather };
  const rows = inHalf
    ? await halfMemoryRows(itemsOfPosts.length, { dim, gather })
    : memoryRows(await gather([...itemsOfPosts.keys()]));
  await cache.close();
  return rows;
}

/** Whether a modality is there after the disruption. */
function isPresent({ record, text, entry }: PlannedRecord, modality: Modality): boolean {
  const isDiscarded = entry?.operation === 'discard' && entry.modality === modality;
  return !isDiscarded && (modality === 'image' ? record.image !== null : text !== null);
}

async function loadContent(dataset: Dataset, plan: PlannedRecord, modality: Modality, mask: string): Promise<Content> {
  const { record, text, entry } = plan;
  if (!isPresent(plan, modality)) {
    const missing = { id: record.id, label: record.label, image: null, text: null };
    return fillMissing(missing, STAND_IN_SIZE, mask)[modality] as Content;
  }
  const isTouched = entry !== undefined && entry.modality === modality;
  if (modality === 'text' && !isTouched) return text as string;
  const post: Post =
    modality === 'text'
      ? { id: record.id, label: record.label, text, image: ABSENT_PIXELS }
      : await dataset.read(record);
  return (isTouched ? applyDisruption(post, entry, { mask }) : post)[modality] as Content;
}

/** Takes the place of a content's hash where a modality is missing. */
const STAND_IN = 'stand-in for a missing modality';
/** A black image is as black at any size. */
const STAND_IN_SIZE = { width: 32, height: 32 };

/** Stands for the image where only the text is disrupted, so that no image is decoded for it. */
const ABSENT_PIXELS: RgbImage = { width: 1, height: 1, data: new Uint8Array(3) };
