import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type ListMultipartUploadsCommandOutput,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { isDrfError, mapAhead, type DrfError } from '@drf/tensor';
import type { Storage, StoredEntry, StoredFile, WrittenContent } from '@drf/files';
import { isFileContent, sizeOf } from './content.js';
import { changedError, goneError } from './errors.js';
import { listedPath, storedPath, type ObjectLocation } from './location.js';
import { PIECE_BYTES, type Connection } from './s3-client.js';
import { explained, isNotThere, isRefusal, isUploadOver, statusOf } from './s3-errors.js';

/** Larger contents are written in parts, which are kept from view until the last is there. */
const MULTIPART_BYTES = 2 * PIECE_BYTES;
/** S3 takes 10,000; with some to spare. */
const MOST_PARTS = 9_000;
/** Parts of one upload at a time, each a piece of memory. */
const PARTS_AT_ONCE = 4;
/** Who wrote an object: tells a write whose answer was lost, and which was then made again, from another's. */
const WRITER = 'drf-writer';
/** Others may be writing the same key at this moment, which S3 answers by 409: ask again. */
const CONFLICT_ATTEMPTS = 5;

/** What a listing says of a bucket and credentials that also spoils all else. */
const TELLING = new Set(['no-bucket', 'bad-credentials', 'wrong-region']);

/** A prefix of a bucket as {@link Storage}. */
export class S3Storage implements Storage {
  readonly location: string;
  readonly folder = null;
  readonly #prefix: string;
  #access: Promise<void> | undefined;

  constructor(
    readonly connection: Connection,
    readonly root: ObjectLocation,
  ) {
    this.#prefix = root.key === '' ? '' : `${root.key}/`;
    this.location = `s3://${root.bucket}${root.key === '' ? '' : `/${root.key}`}`;
  }

  async *list(below = ''): AsyncGenerator<StoredEntry> {
    const prefix = this.#prefix + (below === '' ? '' : `${storedPath(this.location, below)}/`);
    let token: string | undefined;
    do {
      const page = await this.#try('Listing', below, () =>
        this.connection.client.send(
          new ListObjectsV2Command({ Bucket: this.root.bucket, Prefix: prefix, ContinuationToken: token }),
        ),
      );
      for (const { Key: key = '', Size: bytes = 0, ETag, LastModified } of page.Contents ?? []) {
        if (key.endsWith('/') && bytes === 0) continue; // how consoles make folders
        const version = versionOf({ ETag, LastModified }, bytes);
        yield { path: listedPath(this.location, key.slice(this.#prefix.length)), bytes, version };
      }
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  async find(path: string): Promise<StoredEntry | undefined> {
    const head = await this.#head(path);
    if (head === undefined) return undefined;
    const { ContentLength: bytes = 0 } = head;
    return { path: storedPath(this.location, path), bytes, version: versionOf(head, bytes) };
  }

  async open(path: string, version?: string): Promise<StoredFile> {
    const entry = await this.find(path);
    const name = this.#name(path);
    if (entry === undefined) throw goneError(name);
    if (version !== undefined && entry.version !== version) throw changedError(name);
    return new S3File(entry, name, (start, end) => this.#read(entry, start, end));
  }

  async write(path: string, content: WrittenContent, { ifAbsent = false } = {}): Promise<boolean> {
    const writer = randomUUID();
    const params = {
      Bucket: this.root.bucket,
      Key: this.#key(path),
      Metadata: { [WRITER]: writer },
      ...(ifAbsent ? { IfNoneMatch: '*' } : {}),
    };
    const bytes = await sizeOf(content);
    const isLarge = bytes > MULTIPART_BYTES;
    if (isLarge && ifAbsent && (await this.find(path)) !== undefined) return false; // before all of it travels
    return this.#try('Writing', path, async () => {
      for (let attempt = 1; ; attempt++) {
        try {
          await (isLarge ? this.#upload(params, content, bytes) : this.#put(params, content));
          return true;
        } catch (error) {
          if (ifAbsent && statusOf(error) === 412) return await this.#isOwn(path, writer);
          if (isUploadOver(error) && (await this.#isOwn(path, writer))) return true;
          if (statusOf(error) !== 409 || attempt === CONFLICT_ATTEMPTS) throw error;
        }
      }
    });
  }

  async remove(path: string): Promise<void> {
    const request = new DeleteObjectCommand({ Bucket: this.root.bucket, Key: this.#key(path) });
    await this.#try('Removing', path, () => this.connection.client.send(request));
  }

  /** See `abortUploads`. */
  async abortUploads(path: string): Promise<number> {
    const key = path === '' ? this.#prefix : this.#key(path);
    const isMeant = (of: string): boolean => path === '' || of === key || of.startsWith(`${key}/`);
    let aborted = 0;
    let marker: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } | undefined = {};
    try {
      while (marker !== undefined) {
        const page: ListMultipartUploadsCommandOutput = await this.connection.client.send(
          new ListMultipartUploadsCommand({ Bucket: this.root.bucket, Prefix: key, ...marker }),
        );
        for (const { Key = '', UploadId } of page.Uploads ?? []) {
          const isThere = isMeant(Key) && (await this.#head(Key.slice(this.#prefix.length))) !== undefined;
          if (!isThere) continue;
          const request = { Bucket: this.root.bucket, Key, UploadId };
          await this.connection.client.send(new AbortMultipartUploadCommand(request));
          aborted++;
        }
        marker =
          page.IsTruncated === true && page.NextKeyMarker !== undefined
            ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker }
            : undefined;
      }
    } catch (error) {
      // a server that does not know such requests, or does not let these credentials make them, or had it done meanwhile
      if (statusOf(error) === undefined && !isDrfError(error)) throw this.#explained('Tidying up', path, error);
    }
    return aborted;
  }

  async #put(params: PutParams, content: WrittenContent): Promise<void> {
    const body = isFileContent(content) ? await readFile(content.file) : Buffer.from(content);
    await this.connection.client.send(new PutObjectCommand({ ...params, Body: body }));
  }

  /** In parts; those of an upload that fails are removed. */
  async #upload(params: PutParams, content: WrittenContent, bytes: number): Promise<void> {
    const upload = new Upload({
      client: this.connection.client,
      params: {
        ...params,
        Body: isFileContent(content) ? createReadStream(content.file) : Buffer.from(content),
        ContentLength: bytes,
      },
      partSize: Math.max(PIECE_BYTES, Math.ceil(bytes / MOST_PARTS)),
      queueSize: PARTS_AT_ONCE,
    });
    await upload.done();
  }

  /** Whether the object that is there is what this write made, the answer to which was lost on its way. */
  async #isOwn(path: string, writer: string): Promise<boolean> {
    return (await this.#head(path))?.Metadata?.[WRITER] === writer;
  }

  async #head(path: string) {
    const request = new HeadObjectCommand({ Bucket: this.root.bucket, Key: this.#key(path) });
    try {
      return await this.connection.client.send(request);
    } catch (error) {
      if (isRefusal(error)) await this.#assertAccess(isNotThere(error));
      if (isNotThere(error)) return undefined;
      throw this.#explained('Looking for', path, error);
    }
  }

  /**
   * The answer to HEAD has no body, so it tells neither a bucket that is not there from an object that is not, nor unknown
   * credentials from a lack of permission; that to a listing does.
   * @param once whether what was found before still counts
   * @throws ConfigurationError for a bucket that is not there, is in another region, or refuses the credentials
   */
  async #assertAccess(once: boolean): Promise<void> {
    if (!once) this.#access = undefined;
    this.#access ??= this.connection.client
      .send(new ListObjectsV2Command({ Bucket: this.root.bucket, Prefix: this.#prefix, MaxKeys: 1 }))
      .then(
        () => undefined,
        (error: unknown) => {
          const problem = this.#explained('Opening', '', error);
          if (!TELLING.has(problem.code)) return; // a role that may not list does not matter: the object was asked for
          this.#access = undefined; // it may be mended meanwhile
          throw problem;
        },
      );
    await this.#access;
  }

  async #read({ path, bytes, version }: StoredEntry, start: number, end: number): Promise<Uint8Array> {
    const request = new GetObjectCommand({
      Bucket: this.root.bucket,
      Key: this.#key(path),
      Range: `bytes=${start}-${end - 1}`,
      ...(version.startsWith(UNTAGGED) ? {} : { IfMatch: version }),
    });
    const answer = await this.#try('Reading', path, () => this.connection.client.send(request));
    const body = answer.Body instanceof Uint8Array ? answer.Body : new Uint8Array();
    const of = Number(answer.ContentRange?.split('/')[1] ?? bytes);
    if (body.length !== end - start || versionOf(answer, of) !== version) throw changedError(this.#name(path));
    return body;
  }

  #key(path: string): string {
    return this.#prefix + storedPath(this.location, path);
  }

  #name(path: string): string {
    return path === '' ? this.location : `${this.location}/${path}`;
  }

  async #try<T>(doing: string, path: string, request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      throw this.#explained(doing, path, error);
    }
  }

  #explained(doing: string, path: string, error: unknown): DrfError {
    const { endpoint, region } = this.connection;
    return explained(error, { doing, name: this.#name(path), bucket: this.root.bucket, endpoint, region });
  }
}

/** Marks the version of an object without an ETag: gateways have none for files that were not written by them. */
const UNTAGGED = 'untagged-';

/** Its ETag; else what it has in its place, whole seconds being all that every answer tells. */
function versionOf(
  { ETag: tag, LastModified: date }: { readonly ETag?: string | undefined; readonly LastModified?: Date | undefined },
  bytes: number,
): string {
  return tag || `${UNTAGGED}${bytes}-${Math.floor((date?.getTime() ?? 0) / 1000)}`;
}

interface PutParams {
  readonly Bucket: string;
  readonly Key: string;
  readonly Metadata: Record<string, string>;
  readonly IfNoneMatch?: string;
}

/** An object at one version. Every piece of it is asked for with that version's ETag. */
class S3File implements StoredFile {
  readonly path: string;
  readonly bytes: number;
  readonly version: string;
  readonly #piece: (start: number, end: number) => Promise<Uint8Array>;

  constructor(
    entry: StoredEntry,
    readonly name: string,
    piece: (start: number, end: number) => Promise<Uint8Array>,
  ) {
    ({ path: this.path, bytes: this.bytes, version: this.version } = entry);
    this.#piece = piece;
  }

  async read(start: number, end: number): Promise<Uint8Array> {
    const pieces = await Promise.all([...this.#ranges(start, end)].map(([from, to]) => this.#piece(from, to)));
    return pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces);
  }

  /** Pieces, of which the next one travels while one is used: a slow reader keeps no connection open. */
  async *stream(start = 0, end = this.bytes): AsyncGenerator<Uint8Array> {
    yield* mapAhead(this.#ranges(start, end), 2, ([from, to]) => this.#piece(from, to));
  }

  *#ranges(start: number, end: number): Generator<readonly [number, number]> {
    const last = Math.min(end, this.bytes);
    for (let from = start; from < last; from += PIECE_BYTES) yield [from, Math.min(from + PIECE_BYTES, last)];
  }
}
