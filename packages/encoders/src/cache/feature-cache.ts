import { basename, join } from 'node:path';
import { contentHash, type Storage } from '@drf/files';
import { isObjectLocation, localFeatureCache, openStorage } from '@drf/storage';
import {
  CheckpointError,
  ConfigurationError,
  DataError,
  DrfError,
  hostTensor,
  type HostTensor,
  NonFiniteError,
  type RgbImage,
  ShapeMismatchError,
} from '@drf/tensor';
import {
  type CacheFiles,
  diskFiles,
  keyDigest,
  rowLength,
  rowOf,
  rowsName,
  Segment,
  type SegmentDescription,
  segmentNames,
  SegmentWriter,
  storedWidth,
} from './segment.js';
import { SharedSegments } from './shared-segments.js';
import { decodeFloat16, encodeFloat16 } from './float16.js';
import type { EncoderDescription } from '../contract.js';

/** SHA-256 of an image's size and pixels, or of a text. Hashes of the stored file do as well and need no decoding. */
export function hashContent(content: RgbImage | string): string {
  if (typeof content === 'string') return contentHash('text', content);
  return contentHash('image', `${content.width}x${content.height}`, content.data);
}

/**
 * The key of a feature within one encoder's cache.
 * @param content hash of the undisrupted content and of how it is decoded
 * @param disruption what was done to it; the empty string when it is intact
 * @throws ConfigurationError for an empty content hash
 */
export function featureKey(content: string, disruption = ''): string {
  if (content === '') {
    throw new ConfigurationError({ subject: 'featureKey', expected: 'a content hash', received: 'an empty string' });
  }
  return JSON.stringify([content, disruption]);
}

/** Features by key, wherever they are kept. */
export interface RowStore {
  /** Whether there is a row for the key. */
  has(key: string): boolean;
  /** A copy of each key's row, or `undefined` where there is none. */
  get(keys: readonly string[]): Promise<(Float32Array | undefined)[]>;
  /**
   * Keeps a row; what holds it on disk does so at the next {@link RowStore.flush}.
   * @throws ShapeMismatchError or NonFiniteError naming `subject`
   */
  put(key: string, row: Float32Array, subject?: string): void;
  /** Puts on disk what waits for it, where rows are kept there. */
  flush(): Promise<void>;
  /** Takes in what other processes have added, where they can. */
  refresh?(): Promise<void>;
  /** Whose rows they are, where that is known. */
  readonly encoderId?: string;
}

/** Least number that half precision rounds to infinity. */
const HALF_OVERFLOW = 65_520;

/**
 * @param storage in which the row is to be kept
 * @throws ShapeMismatchError for another length, NonFiniteError for NaN and infinity, and for what half precision would
 *   make infinite, all naming the subject
 */
export function assertRow(
  subject: string,
  row: Float32Array,
  outputDim: number,
  storage: CachedEncoder['storage'] = 'float32',
): void {
  if (row.length !== outputDim) {
    throw new ShapeMismatchError({ subject, expected: `[${outputDim}]`, received: `[${row.length}]` });
  }
  const place = row.findIndex((value) => !Number.isFinite(value));
  if (place !== -1) {
    throw new NonFiniteError({
      subject,
      expected: 'finite numbers',
      received: `${row[place]} at index ${place}`,
      remedy: 'look at that item and at the encoder; it was not stored',
    });
  }
  const large = storage === 'float16' ? row.findIndex((value) => Math.abs(value) >= HALF_OVERFLOW) : -1;
  if (large === -1) return;
  throw new NonFiniteError({
    subject,
    expected: 'numbers up to 65,504, the largest in half precision, in which they are kept',
    received: `${row[large]} at index ${large}`,
    remedy: 'keep them in float32, or hidden states not at all: --encoders.cache-states false; it was not stored',
  });
}

/** A copy of a row, as it will be read. */
function asStored(row: Float32Array, storage: CachedEncoder['storage']): Float32Array {
  return storage === 'float16' ? decodeFloat16(encodeFloat16(row)) : row.slice();
}

/** Rows in memory, for runs without a cache on disk; the same numbers as from there. */
export class MemoryRows implements RowStore {
  private readonly rows = new Map<string, Float32Array>();

  constructor(
    private readonly outputDim: number,
    private readonly storage?: CachedEncoder['storage'],
  ) {}

  has(key: string): boolean {
    return this.rows.has(key);
  }

  async get(keys: readonly string[]): Promise<(Float32Array | undefined)[]> {
    return keys.map((key) => this.rows.get(key)?.slice());
  }

  put(key: string, row: Float32Array, subject = `feature "${key}"`): void {
    assertRow(subject, row, this.outputDim, this.storage);
    this.rows.set(key, asStored(row, this.storage));
  }

  async flush(): Promise<void> {}
}

/** The features of a list of items, read by row; they need not fit into memory. */
export interface FeatureStore {
  /** Items, in the order in which they came. */
  readonly count: number;
  readonly outputDim: number;
  /** 1 for an item that has a feature, 0 for one that failed. */
  readonly available: Uint8Array;
  /**
   * Rows by item, float32 [indices, outputDim]; zeros where an item has no feature.
   * @throws ConfigurationError for an index out of range; CheckpointError when a stored row was damaged since
   */
  rows(indices: readonly number[]): Promise<HostTensor>;
  /** All rows, float32 [count, outputDim]. */
  all(): Promise<HostTensor>;
}

/** A view of a row store by item. */
export class StoredFeatures implements FeatureStore {
  readonly available: Uint8Array;

  constructor(
    private readonly store: RowStore,
    private readonly keys: readonly string[],
    readonly outputDim: number,
  ) {
    this.available = Uint8Array.from(keys, (key) => Number(store.has(key)));
  }

  get count(): number {
    return this.keys.length;
  }

  async rows(indices: readonly number[]): Promise<HostTensor> {
    indices.forEach((index) => this.assertIndex(index));
    const present = indices.flatMap((index, i) => (this.available[index] === 1 ? [{ index, i }] : []));
    const rows = await this.store.get(present.map(({ index }) => this.keys[index] as string));
    const data = new Float32Array(indices.length * this.outputDim);
    present.forEach(({ index, i }, k) => data.set(rows[k] ?? this.lost(index), i * this.outputDim));
    return hostTensor(data, [indices.length, this.outputDim]);
  }

  all(): Promise<HostTensor> {
    return this.rows([...this.keys.keys()]);
  }

  private assertIndex(index: number): void {
    if (Number.isInteger(index) && index >= 0 && index < this.count) return;
    throw new ConfigurationError({
      subject: 'FeatureStore.rows',
      expected: `whole indices from 0 to ${this.count - 1}`,
      received: String(index),
    });
  }

  private lost(index: number): never {
    throw new CheckpointError({
      subject: `Feature of item ${index}`,
      expected: 'the row that was stored',
      received: 'a damaged one',
      remedy: 'run again; it will be computed anew',
    });
  }
}

/** Where a row is. */
interface RowPlace {
  readonly segment: Segment;
  readonly row: number;
}

/** A row that someone asked for, as the i-th of a list. */
interface WantedRow {
  readonly place: RowPlace;
  readonly i: number;
}

/** Neighboring rows of one segment that are read in one go. */
interface RowRun {
  readonly segment: Segment;
  readonly firstRow: number;
  readonly count: number;
  readonly wanted: readonly WantedRow[];
}

const LARGEST_READ = 8 * 1024 * 1024;

/** Groups rows into runs of neighbors, each read at most 8 MiB. */
function coalesce(wanted: readonly WantedRow[], rowLength: number): RowRun[] {
  const bySegment = new Map<Segment, WantedRow[]>();
  for (const item of wanted) {
    const list = bySegment.get(item.place.segment);
    if (list === undefined) bySegment.set(item.place.segment, [item]);
    else list.push(item);
  }
  const longest = Math.max(1, Math.floor(LARGEST_READ / rowLength));
  return [...bySegment].flatMap(([segment, list]) => runsOf(segment, list, longest));
}

function runsOf(segment: Segment, list: WantedRow[], longest: number): RowRun[] {
  const runs: { segment: Segment; firstRow: number; count: number; wanted: WantedRow[] }[] = [];
  for (const item of list.sort((a, b) => a.place.row - b.place.row)) {
    const last = runs.at(-1);
    const offset = last === undefined ? 0 : item.place.row - last.firstRow;
    if (last !== undefined && offset <= last.count && offset < longest) {
      last.count = offset + 1;
      last.wanted.push(item);
    } else {
      runs.push({ segment, firstRow: item.place.row, count: 1, wanted: [item] });
    }
  }
  return runs;
}

/** The segments of one encoder's folder: everyone's for reading, one of this process's own for writing. */
class SegmentFolder {
  private readonly segments = new Map<string, Segment>();
  private writer: SegmentWriter | undefined;
  /** What was dropped as damaged, by file. */
  readonly problems: string[] = [];

  constructor(
    readonly path: string,
    private readonly description: SegmentDescription,
    private readonly files: CacheFiles,
  ) {}

  get count(): number {
    return this.segments.size;
  }

  /** Rows that were added since the last call, oldest first, so that a later row of a key overrules an earlier one. */
  async loadNew(): Promise<{ readonly digest: string; readonly place: RowPlace }[]> {
    const found: { readonly digest: string; readonly place: RowPlace }[] = [];
    for (const name of segmentNames(await this.files.list(this.path))) {
      const segment = this.segments.get(name) ?? this.add(name);
      const rows = await segment.loadNew((problem) => this.problems.push(problem));
      for (const { digest, row } of rows) found.push({ digest, place: { segment, row } });
    }
    return found;
  }

  /** Reads rows; `undefined` for those that are damaged, which are listed in {@link SegmentFolder.problems}. */
  async read(places: readonly RowPlace[]): Promise<(Float32Array | undefined)[]> {
    const result = new Array<Float32Array | undefined>(places.length).fill(undefined);
    const wanted = places.map((place, i) => ({ place, i }));
    for (const { segment, firstRow, count, wanted: rows } of coalesce(wanted, rowLength(this.description))) {
      const bytes = await segment.read(firstRow, count).catch(() => Buffer.alloc(0));
      for (const { place, i } of rows) result[i] = this.checkedRow(place, bytes, place.row - firstRow);
    }
    return result;
  }

  /** The index of this process's segment, once there is one. */
  get ownIndex(): string | undefined {
    return this.writer?.segment.indexPath;
  }

  /** Appends rows to this process's segment, which is started at the first call. */
  async append(rows: readonly { readonly digest: string; readonly row: Float32Array }[]): Promise<RowPlace[]> {
    if (this.writer === undefined) {
      this.writer = await SegmentWriter.create(this.path, this.description, this.files);
      this.segments.set(basename(this.writer.segment.indexPath), this.writer.segment);
    }
    const { writer } = this;
    const first = await writer.append(rows);
    return rows.map((_, i) => ({ segment: writer.segment, row: first + i }));
  }

  async close(): Promise<void> {
    const { writer } = this;
    this.writer = undefined;
    await Promise.all([...this.segments.values()].map((segment) => segment.close()));
    await writer?.close();
  }

  private add(name: string): Segment {
    const paths = [join(this.path, name), join(this.path, rowsName(name))] as const;
    const segment = new Segment(...paths, this.description, this.files);
    this.segments.set(name, segment);
    return segment;
  }

  private checkedRow({ segment, row }: RowPlace, bytes: Buffer, offset: number): Float32Array | undefined {
    const start = offset * segment.rowLength;
    const slice = bytes.subarray(start, start + segment.rowLength);
    if (segment.checksOut(row, slice)) return rowOf(slice, this.description);
    this.problems.push(`${basename(segment.rowsPath)}: row ${row} is damaged; dropped`);
    return undefined;
  }
}

/** What a cache holds and how it was used. */
export interface FeatureCacheStats {
  /** Rows that the cache knows, with those that wait for a flush. */
  readonly rows: number;
  /** Keys of `get` that were there, and that were not. */
  readonly hits: number;
  readonly misses: number;
  /** Rows that this process wrote. */
  readonly written: number;
  readonly segments: number;
  /** What was dropped as damaged, by file; their features are computed again. */
  readonly problems: readonly string[];
}

/** What identifies the encoder that a cache belongs to. */
export type CachedEncoder = Pick<EncoderDescription, 'id' | 'outputDim' | 'storage'>;

/** The part of an encoder's id that a folder's name can show, and a hash of all of it. */
function folderName(id: string): string {
  const readable = id.replace(/[^A-Za-z0-9._]+/g, '-').replace(/^[-.]+/, '');
  return `${readable.slice(0, 80)}-${contentHash(id).slice(0, 12)}`;
}

/**
 * Features on disk, of one encoder. Any number of processes may use one folder at once: each appends to a segment of
 * its own and reads everyone's. A process killed in the middle of a write loses that write and nothing else.
 */
export class FeatureCache implements RowStore {
  readonly folder: string;
  readonly encoderId: string;
  readonly outputDim: number;
  private readonly storage: CachedEncoder['storage'];
  private readonly segments: SegmentFolder;
  private readonly places = new Map<string, RowPlace>();
  private readonly pending = new Map<string, Float32Array>();
  private turn: Promise<void> = Promise.resolve();
  private hits = 0;
  private misses = 0;
  private written = 0;

  private readonly shared: SharedSegments | undefined;

  /** {@link openFeatureCache} makes one that knows its rows. @param shared where others find what is new */
  constructor(root: string, encoder: CachedEncoder, files: CacheFiles, shared?: Storage) {
    const name = folderName(encoder.id);
    this.folder = join(root, name);
    this.shared = shared && new SharedSegments(shared, name, this.folder, files);
    this.encoderId = encoder.id;
    this.outputDim = encoder.outputDim;
    const { id, outputDim, storage } = encoder;
    this.storage = storage;
    this.segments = new SegmentFolder(this.folder, { encoder: id, outputDim, storage }, files);
  }

  get stats(): FeatureCacheStats {
    const { hits, misses, written, segments } = this;
    const rows = this.places.size + this.pending.size;
    return { rows, hits, misses, written, segments: segments.count, problems: [...segments.problems] };
  }

  /** Whether there is a row for the key, in memory or on disk. */
  has(key: string): boolean {
    const digest = keyDigest(key);
    return this.pending.has(digest) || this.places.has(digest);
  }

  async get(keys: readonly string[]): Promise<(Float32Array | undefined)[]> {
    const digests = keys.map(keyDigest);
    const result: (Float32Array | undefined)[] = digests.map((digest) => this.pending.get(digest)?.slice());
    const stored = digests.flatMap((digest, i) => {
      const place = result[i] === undefined ? this.places.get(digest) : undefined;
      return place === undefined ? [] : [{ digest, i, place }];
    });
    const rows = await this.segments.read(stored.map(({ place }) => place));
    stored.forEach(({ digest, i }, k) => {
      result[i] = rows[k];
      if (rows[k] === undefined) this.places.delete(digest);
    });
    const found = result.filter((row) => row !== undefined).length;
    this.hits += found;
    this.misses += keys.length - found;
    return result;
  }

  put(key: string, row: Float32Array, subject = `feature "${key}"`): void {
    assertRow(subject, row, this.outputDim, this.storage);
    this.pending.set(keyDigest(key), asStored(row, this.storage));
  }

  /**
   * Writes what waits, but for rows that another process has written meanwhile.
   * @throws DataError when the disk is full or the folder cannot be written; what waits goes on waiting
   */
  flush(): Promise<void> {
    return this.inTurn(() => this.writePending());
  }

  /** Takes in what other processes have added. @throws CheckpointError naming a file that is not of this cache. */
  refresh(): Promise<void> {
    return this.inTurn(() => this.loadNew());
  }

  /** Takes over what others have published, if the cache is shared. @throws UnavailableError when the storage fails */
  async fetchShared(): Promise<void> {
    await this.shared?.fetch();
  }

  /**
   * Publishes what this process has encoded, if the cache is shared. Nothing is lost where that fails: the rows are on this
   * machine.
   * @returns why it failed
   */
  async publish(): Promise<string | undefined> {
    let failure: string | undefined;
    await this.inTurn(async () => {
      const { ownIndex } = this.segments;
      if (this.shared === undefined || ownIndex === undefined) return;
      await this.shared.publish(ownIndex).catch((error: Error) => {
        failure = `not published: ${error.message}`;
        this.segments.problems.push(failure);
      });
    });
    return failure;
  }

  /** Flushes, publishes and closes the files, even if the flush fails. */
  async close(): Promise<void> {
    try {
      await this.flush();
      await this.publish();
    } finally {
      await this.inTurn(() => this.segments.close());
    }
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    const result = this.turn.then(work);
    this.turn = result.catch(() => undefined);
    return result;
  }

  private async loadNew(): Promise<void> {
    const found = await this.segments.loadNew().catch((error: unknown) => {
      throw this.readFailure(error);
    });
    for (const { digest, place } of found) this.places.set(digest, place);
  }

  private async writePending(): Promise<void> {
    if (this.pending.size === 0) return;
    await this.loadNew();
    for (const digest of this.pending.keys()) if (this.places.has(digest)) this.pending.delete(digest);
    const rows = [...this.pending].map(([digest, row]) => ({ digest, row }));
    if (rows.length === 0) return;
    const places = await this.segments.append(rows).catch((error: NodeJS.ErrnoException) => {
      throw this.writeFailure(error, rows.length);
    });
    rows.forEach(({ digest }, i) => {
      this.places.set(digest, places[i] as RowPlace);
      this.pending.delete(digest);
    });
    this.written += rows.length;
  }

  private readFailure(error: unknown): unknown {
    if (error instanceof DrfError) return error;
    const subject = `Feature cache ${this.folder}`;
    const remedy = 'check the folder and its permissions, or choose another';
    const received = (error as Error).message;
    return new DataError({ subject, expected: 'a readable folder', received, remedy }, { cause: error });
  }

  private writeFailure(error: NodeJS.ErrnoException, rows: number): DataError {
    const advice = error.code === 'ENOSPC' ? 'free some disk space' : 'check the folder and its permissions';
    return new DataError(
      {
        subject: `Feature cache ${this.folder}`,
        expected: `room and permission to write ${rows} rows of ${this.outputDim} values`,
        received: error.message,
        remedy: `${advice} and run again; the ${this.places.size} rows that were stored before are kept`,
      },
      { cause: error },
    );
  }
}

/**
 * Opens the cache of an encoder below a folder, which is made when the first row is written; or below a prefix in object
 * storage (`s3://bucket/features`), which is then shared behind the user's own cache: what others have published there is
 * fetched first. Damaged rows are dropped and listed in `stats.problems`.
 * @throws CheckpointError naming a file in the encoder's folder that is not of this cache; UnavailableError and others when
 *   object storage fails
 */
export async function openFeatureCache(
  root: string,
  encoder: CachedEncoder,
  files: CacheFiles = diskFiles,
): Promise<FeatureCache> {
  const shared = isObjectLocation(root) ? await openStorage(root) : undefined;
  const cache = new FeatureCache(localFeatureCache(root), encoder, files, shared);
  await cache.fetchShared();
  await cache.refresh();
  return cache;
}

/** Values a row of what a cache holds of an encoder on this machine; nothing while it holds nothing. */
export function storedRowWidth(root: string, encoderId: string): Promise<number | undefined> {
  return storedWidth(join(localFeatureCache(root), folderName(encoderId)), diskFiles);
}
