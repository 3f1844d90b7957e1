import { RowError, type Dataset, type PostRecord } from '@drf/datasets';
import { planDisruptions, presenceOf, type DisruptionEntry, type Strategy } from '@drf/disruption';
import {
  encodeWithCache,
  openFeatureCache,
  tokenLayoutOf,
  tokenRowEncoder,
  type EncodeItem,
  type EncodeWithCacheOptions,
  type FeatureCache,
  type FeatureStore,
  type FrozenEncoder,
  type TrainableEncoder,
  type UpperEncoder,
} from '@drf/encoders';
import type { MethodNeeds } from '@drf/model';
import { mapAhead, DataError, hostTensor, MODALITIES, type HostTensor, type Modality } from '@drf/tensor';
import {
  ABSENT,
  checkReadable,
  contentRows,
  encoded,
  stateRows,
  type ContentRows,
  type ContentSource,
} from './content-rows.js';
import {
  memoryRows,
  type FeatureRows,
  type FeatureSet,
  type ModalityRows,
  type PostSet,
  type TokenRows,
} from './feature-set.js';
import { contentKey, isPresent, loadContent, type Content, type PlannedRecord } from './planned-record.js';
import { isUpper, type FrozenSession, type Session } from './session.js';
import { halfMemoryRows, tokenRows } from './token-rows.js';

/** What one pass over the posts gives. */
export interface EncodedOutput {
  readonly modality: Modality;
  /** Features, tokens of a frozen encoder for methods that read them, or hidden states below the first trained layer. */
  readonly kind: 'features' | 'tokens' | 'states';
}

const LABELS: Readonly<Record<EncodedOutput['kind'], Readonly<Record<Modality, string>>>> = {
  features: { image: 'Encoding images', text: 'Encoding texts' },
  tokens: { image: 'Encoding places of images', text: 'Encoding word pieces' },
  states: { image: 'Computing frozen layers of images', text: 'Computing frozen layers of texts' },
};

/** Shows how far a pass is. */
export interface EncodingJob {
  /** @param encoded how many of those that are done were encoded, and neither in the cache nor equal to one before */
  update(done: number, total: number, encoded?: number): void;
  stop(): void;
}

/** Which posts, disrupted how, encoded by what. */
export interface EncodeOptions {
  readonly dataset: Dataset;
  readonly records: readonly PostRecord[];
  /** What is done to the posts before they are encoded; or the entries themselves, as read from a manifest. */
  readonly strategy: Strategy | { readonly kind: 'manifest'; readonly byId: ReadonlyMap<string, DisruptionEntry> };
  /** Of the disruptions. */
  readonly seed: number;
  readonly session: Session;
  /** Folder of the feature cache; left out: nothing is looked up or stored. */
  readonly cache?: string | undefined;
  /** What the method asks for beyond features: tokens, stand-ins for missing modalities. */
  readonly needs?: MethodNeeds;
  /** Images that no encoder reads beforehand were read before, so that they need not be decoded once more to see that they can. */
  readonly isChecked?: boolean;
  /** Posts encoded at once; default: the encoder's choice. */
  readonly batchSize?: number;
  /** Starts a progress display; `output` is left out where images are only checked. */
  readonly job?: (label: string, output?: EncodedOutput) => EncodingJob;
  /** Told of each post that cannot be read; it is left out and listed in the data set's ledger. */
  readonly onRowError?: (message: string, id: string) => void;
  /** Told what a person should know and what stops nothing: features that a shared cache did not take. */
  readonly onNote?: (message: string) => void;
  readonly signal?: AbortSignal;
  /** Processes that encode the same posts: each first its share, so that a cache that all can reach has them all. */
  readonly ranks?: { readonly rank: number; readonly size: number; barrier(): Promise<void> } | undefined;
}

/** Encoded posts, and what was done to them first. */
export interface EncodedRecords<Set extends PostSet = PostSet> {
  readonly set: Set;
  readonly entries: readonly DisruptionEntry[];
  /** The records behind the rows of `set`. */
  readonly records: readonly PostRecord[];
}

/** Files that are read side by side. */
const FILES_AHEAD = 64;

/**
 * Posts → disruption → encoders → features. What the cache holds is neither read nor encoded again. Where an encoder is
 * trained, posts → disruption → what it reads, batch by batch as asked for. A modality that the method does not read is not
 * encoded: zeros stand for its features. A post whose image or text cannot be read is reported and left out, whatever the
 * method reads, so that all methods judge the same posts; the others go on.
 */
export async function encodeRecords(
  options: EncodeOptions & { readonly session: FrozenSession },
): Promise<EncodedRecords<FeatureSet>>;
export async function encodeRecords(options: EncodeOptions): Promise<EncodedRecords>;
export async function encodeRecords(options: EncodeOptions): Promise<EncodedRecords> {
  const { session, needs } = options;
  const reads = needs?.reads ?? MODALITIES;
  const failed = new Set<string>();
  const fail = (record: PostRecord, error: DataError): void => {
    if (failed.has(record.id)) return;
    failed.add(record.id);
    const reason = error instanceof RowError ? error.reason : 'unreadable file';
    options.dataset.ledger.reject({ id: record.id, line: record.line, reason, detail: error.message });
    options.onRowError?.(error.message, record.id);
  };
  const planned = await planRecords(options, fail);
  const encode = (output: EncodedOutput, encoder: AnyEncoder): Promise<PlacedFeatures> =>
    encodeModality(options, { ...output, encoder }, planned, fail);
  const prepare = (modality: Modality): Promise<PlacedRows> => {
    const encoder = session[modality];
    if (!reads.includes(modality)) return prepareUnread(options, modality, encoder, planned, fail);
    if (!encoder.trainable) return encode({ modality, kind: 'features' }, encoder);
    if (isUpper(encoder)) return prepareStates(options, modality, encoder as UpperEncoder<Content>, planned, fail);
    return prepareContents(options, modality, encoder, planned, fail);
  };
  const image = await prepare('image');
  const text = await prepare('text');
  const tokens = (modality: Modality): Promise<PlacedFeatures> | undefined =>
    needs?.tokens === true && reads.includes(modality) && !session[modality].trainable
      ? encode({ modality, kind: 'tokens' }, tokenRowEncoder(session[modality] as AnyEncoder))
      : undefined;
  const imageTokens = await tokens('image');
  const textTokens = await tokens('text');
  const kept = planned.map((_, i) => i).filter((i) => !failed.has((planned[i] as PlannedRecord).record.id));
  const records = kept.map((i) => (planned[i] as PlannedRecord).record);
  const modalityOf = async (
    modality: Modality,
    placed: PlacedRows,
    tokenFeatures: PlacedFeatures | undefined,
  ): Promise<ModalityRows> => ({
    rows: await placed.rows(kept),
    available: Float32Array.from(kept, (i) => (placed.has(i) ? 1 : 0)),
    intact: Float32Array.from(kept, (i) => (placed.has(i) && isIntact(planned[i], modality) ? 1 : 0)),
    ...(tokenFeatures === undefined
      ? {}
      : { tokens: tokenRows(await tokenFeatures.rows(kept), tokenLayoutOf(session[modality])) }),
    ...(needs?.tokens === true && !reads.includes(modality) ? { tokens: unreadTokens(session[modality]) } : {}),
  });
  return {
    set: {
      ids: records.map(({ id }) => id),
      labels: Int32Array.from(records, ({ label }) => label),
      image: await modalityOf('image', image, imageTokens),
      text: await modalityOf('text', text, textTokens),
    },
    entries: kept.flatMap((i) => (planned[i] as PlannedRecord).entry ?? []),
    records,
  };
}

/** Reads the texts (what the plan must know of a post) and decides the disruptions. */
export async function planRecords(
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
  const presence = texts.map(({ record, text }) => presenceOf({ ...record, text }));
  const byId =
    strategy.kind === 'manifest'
      ? strategy.byId
      : new Map(planDisruptions(presence, strategy, seed).map((entry) => [entry.id, entry] as const));
  return texts.map(({ record, text }) => ({ record, text, entry: byId.get(record.id) }));
}

/** One modality, addressed by the posts' places in the plan. */
interface PlacedRows {
  has(place: number): boolean;
  rows(places: readonly number[]): Promise<FeatureRows | ContentRows>;
}

interface PlacedFeatures extends PlacedRows {
  rows(places: readonly number[]): Promise<FeatureRows>;
}

/** Reads what no encoder reads beforehand, so that a damaged image is known before training. */
async function checkContents(
  { isChecked = false, job, signal }: EncodeOptions,
  source: Omit<ContentSource, 'encoder'>,
  planned: readonly PlannedRecord[],
): Promise<void> {
  if (source.modality !== 'image' || isChecked) return;
  const progress = job?.('Checking images');
  try {
    await checkReadable(source, planned, progress?.update, signal);
  } finally {
    progress?.stop();
  }
}

/** A modality that the method does not read: whether posts have it, and zeros for features. */
async function prepareUnread(
  options: EncodeOptions,
  modality: Modality,
  { outputDim: dim }: Session[Modality],
  planned: readonly PlannedRecord[],
  fail: (record: PostRecord, error: DataError) => void,
): Promise<PlacedRows> {
  const { dataset, session, needs } = options;
  const standsIn = needs?.bothModalities === true;
  await checkContents(options, { dataset, modality, mask: session.text.maskToken, standsIn, fail }, planned);
  const zeros = (places: readonly number[]): HostTensor =>
    hostTensor(new Float32Array(places.length * dim), [places.length, dim]);
  return {
    has: (place) => standsIn || isPresent(planned[place] as PlannedRecord, modality),
    rows: () => Promise.resolve({ dim, gather: zeros }),
  };
}

/** One token a post, which does not stand. */
function unreadTokens(encoder: Session[Modality]): TokenRows {
  const dim = encoder.trainable ? (encoder.tokenDim ?? tokenLayoutOf(encoder).dim) : tokenLayoutOf(encoder).dim;
  return {
    layout: { count: 1, dim },
    gather: async ({ length: posts }) => ({
      tokens: hostTensor(new Float32Array(posts * dim), [posts, 1, dim]),
      mask: hostTensor(new Float32Array(posts), [posts, 1]),
    }),
  };
}

async function prepareContents(
  options: EncodeOptions,
  modality: Modality,
  encoder: TrainableEncoder<Content>,
  planned: readonly PlannedRecord[],
  fail: (record: PostRecord, error: DataError) => void,
): Promise<PlacedRows> {
  const { dataset, session, needs } = options;
  const standsIn = needs?.bothModalities === true;
  const source: ContentSource = { dataset, modality, encoder, mask: session.text.maskToken, standsIn, fail };
  await checkContents(options, source, planned);
  const at = (place: number): PlannedRecord => planned[place] as PlannedRecord;
  return {
    has: (place) => standsIn || isPresent(at(place), modality),
    rows: (places) => Promise.resolve(contentRows(source, places.map(at))),
  };
}

type AnyEncoder = FrozenEncoder<Content>;

/** One pass over the posts: what is encoded by what. */
interface EncodingPass extends EncodedOutput {
  readonly encoder: AnyEncoder;
}

async function encodeModality(
  options: EncodeOptions,
  { modality, kind, encoder }: EncodingPass,
  planned: readonly PlannedRecord[],
  fail: (record: PostRecord, error: DataError) => void,
): Promise<PlacedFeatures> {
  const { batchSize, needs } = options;
  const cache = options.cache === undefined ? undefined : await openFeatureCache(options.cache, encoder);
  const present = [...planned.keys()].filter(
    (place) => needs?.bothModalities === true || isPresent(planned[place] as PlannedRecord, modality),
  );
  const encode = (work: EncodingWork): Promise<FeatureStore> =>
    encodeWithCache<Content>({ encoder, ...(cache === undefined ? {} : { cache }), batchSize, ...work });
  try {
    const { result: store, itemOf } = await encodePlaces(options, { modality, kind, planned, fail }, present, encode);
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
    tellUnpublished(options, encoder.id, await cache?.publish());
  }
}

/** What frozen layers give of the posts, kept; rows of it as an encoder reads them that begins above. */
async function prepareStates(
  options: EncodeOptions,
  modality: Modality,
  encoder: UpperEncoder<Content>,
  planned: readonly PlannedRecord[],
  fail: (record: PostRecord, error: DataError) => void,
): Promise<PlacedRows> {
  const { dataset, session, needs } = options;
  const { states } = encoder;
  const standsIn = needs?.bothModalities === true;
  const source: ContentSource = { dataset, modality, encoder, mask: session.text.maskToken, standsIn, fail };
  const shown = planned.map((plan) => encoded(source, plan));
  const places = [...shown.keys()];
  const work = { modality, kind: 'states' as const, planned: [...shown, ABSENT], fail }; // simulation may discard any post's
  try {
    const { itemOf } = await encodePlaces(options, work, [...places, places.length], (own) => states.encode(own));
    return {
      has: (place) => itemOf.has(place) && (standsIn || isPresent(planned[place] as PlannedRecord, modality)),
      rows: (kept) => Promise.resolve(stateRows(source, states, kept.map((place) => planned[place] as PlannedRecord))), // prettier-ignore
    };
  } finally {
    tellUnpublished(options, states.id, await states.publish());
  }
}

function tellUnpublished({ onNote }: EncodeOptions, id: string, failure: string | undefined): void {
  if (failure !== undefined) onNote?.(`what ${id} gives was ${failure}`);
}

/** What is encoded, and who is told. */
type EncodingWork = Pick<EncodeWithCacheOptions<Content>, 'items' | 'total' | 'signal' | 'onProgress' | 'onRowError'>;

interface EncodingPlan extends EncodedOutput {
  readonly planned: readonly PlannedRecord[];
  readonly fail: (record: PostRecord, error: DataError) => void;
}

/**
 * Encodes posts at some places of a plan, in several processes each first its share.
 * @returns what `encode` gave at last, and which of its items each place is
 */
async function encodePlaces<Result>(
  options: EncodeOptions,
  { modality, kind, planned, fail }: EncodingPlan,
  present: readonly number[],
  encode: (work: EncodingWork) => Promise<Result>,
): Promise<{ readonly result: Result; readonly itemOf: ReadonlyMap<number, number> }> {
  const { signal, ranks } = options;
  const progress = options.job?.(LABELS[kind][modality], { modality, kind });
  const run = (
    places: readonly number[],
    placed: Map<number, number>,
    failing: (record: PostRecord, error: DataError) => void,
  ): Promise<Result> =>
    encode({
      ...(signal === undefined ? {} : { signal }),
      total: places.length,
      items: items(options, modality, planned, places, placed, failing),
      onProgress: ({ done, total = places.length, encoded: own }) => progress?.update(done, total, own),
      onRowError: (item, error) => failing((planned[(item as PlacedItem).place] as PlannedRecord).record, error),
    });
  try {
    if (ranks !== undefined) {
      const own = present.filter((_, i) => i % ranks.size === ranks.rank);
      await run(own, new Map(), () => undefined); // what fails does so again below, in every rank
      await ranks.barrier();
    }
    const itemOf = new Map<number, number>();
    return { result: await run(present, itemOf, fail), itemOf };
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
  const keyed = async (place: number): Promise<{ place: number; key?: string; error?: DataError }> => {
    try {
      return { place, key: await contentKey(dataset, planned[place] as PlannedRecord, modality, mask) };
    } catch (error) {
      if (error instanceof DataError) return { place, error };
      throw error;
    }
  };
  for await (const { place, key, error } of mapAhead(present, FILES_AHEAD, keyed)) {
    const plan = planned[place] as PlannedRecord;
    if (key === undefined) {
      fail(plan.record, error as DataError);
      continue;
    }
    itemOf.set(place, itemOf.size);
    yield { key, place, name: `post ${plan.record.id}`, load: () => loadContent(dataset, plan, modality, mask) };
  }
}

/** Features up to this size are held in memory; larger ones stay in the cache's files. */
const MEMORY_LIMIT_BYTES = 1024 ** 3;

/** Rows by item; zeros where a post lacks the modality (item −1). The cache stays open only if rows stay in it. */
async function rowsOf(
  store: FeatureStore,
  itemsOfPosts: readonly number[],
  cache: FeatureCache | undefined,
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
  await cache?.close();
  return rows;
}

/** Whether the post has the modality and no disruption corrupts or discards it. */
function isIntact(planned: PlannedRecord | undefined, modality: Modality): boolean {
  return planned !== undefined && isPresent(planned, modality) && planned.entry?.modality !== modality;
}
