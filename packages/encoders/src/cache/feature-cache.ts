import { join } from 'node:path';
import { contentHash } from '@drf/files';
import { DataError, DrfError } from '@drf/tensor';
import type { EncoderDescription } from '../contract.js';
import type { RowPlace } from './coalesce.js';
import { diskFiles, type CacheFiles } from './files.js';
import { assertRow, type RowStore } from './row-store.js';
import { SegmentFolder } from './segment-folder.js';
import { keyDigest } from './segment-format.js';

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
  private readonly segments: SegmentFolder;
  private readonly places = new Map<string, RowPlace>();
  private readonly pending = new Map<string, Float32Array>();
  private turn: Promise<void> = Promise.resolve();
  private hits = 0;
  private misses = 0;
  private written = 0;

  /** {@link openFeatureCache} makes one that knows its rows. */
  constructor(root: string, encoder: CachedEncoder, files: CacheFiles) {
    this.folder = join(root, folderName(encoder.id));
    this.encoderId = encoder.id;
    this.outputDim = encoder.outputDim;
    const { id, outputDim, storage } = encoder;
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
    assertRow(subject, row, this.outputDim);
    this.pending.set(keyDigest(key), row.slice());
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

  /** Flushes and closes the files, even if the flush fails. */
  async close(): Promise<void> {
    try {
      await this.flush();
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
 * Opens the cache of an encoder below a folder, which is made when the first row is written. Damaged rows are dropped
 * and listed in `stats.problems`.
 * @throws CheckpointError naming a file in the encoder's folder that is not of this cache
 */
export async function openFeatureCache(
  root: string,
  encoder: CachedEncoder,
  files: CacheFiles = diskFiles,
): Promise<FeatureCache> {
  const cache = new FeatureCache(root, encoder, files);
  await cache.refresh();
  return cache;
}
