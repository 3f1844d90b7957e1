import { stat } from 'node:fs/promises';
import { posix, relative } from 'node:path';
import { resolveInside, type Storage, type StoredEntry } from '@drf/files';
import { isObjectLocation, openStorage } from '@drf/storage';
import { DataError } from '@drf/tensor';
import { FileSource, type ContentSource } from '../dataset.js';
import { NameVariants, type Variants } from './name-variants.js';

/** A file below a {@link ContentRoot}. */
export interface FoundContent {
  readonly bytes: number;
  source(maximumBytes: number): ContentSource;
}

/** What the paths in a table lie below: a folder, or a prefix in object storage. Nothing outside it is read. */
export interface ContentRoot {
  /** For messages. */
  readonly name: string;
  /** Whether its files have addresses (`s3://…`), which may stand in place of paths. */
  readonly hasAddresses: boolean;
  /** The file at a path, or null. @throws DataError when the path leads out */
  find(path: string): Promise<FoundContent | null>;
  /** Files that a path may mean at which nothing stands. */
  variants(path: string): Promise<Variants>;
}

/** A local folder, in which links are followed as long as they stay inside. */
class FolderRoot implements ContentRoot {
  readonly hasAddresses = false;
  private readonly names: NameVariants;

  /** @param name absolute, without links */
  constructor(readonly name: string) {
    this.names = new NameVariants(name);
  }

  async find(path: string): Promise<FoundContent | null> {
    const { name } = this;
    const real = await resolveInside(name, path);
    const stats = await stat(real).catch(() => undefined);
    if (stats?.isFile() !== true) return null;
    return { bytes: stats.size, source: (maximumBytes) => new FileSource(name, relative(name, real), maximumBytes) };
  }

  variants(path: string): Promise<Variants> {
    return this.names.find(path);
  }
}

/** Objects below a prefix. Paths count as they stand: other forms of their names would need listings of all there is. */
class StoredRoot implements ContentRoot {
  readonly hasAddresses = true;
  readonly name: string;

  /** @param below a folder of the storage; '' for all of it */
  constructor(
    private readonly storage: Storage,
    private readonly below: string,
  ) {
    this.name = below === '' ? storage.location : `${storage.location}/${below}`;
  }

  async find(path: string): Promise<FoundContent | null> {
    const { storage } = this;
    const entry = await storage.find(posix.join(this.below, this.inside(path)));
    return entry === undefined
      ? null
      : { bytes: entry.bytes, source: (maximumBytes) => new StoredSource(storage, entry, maximumBytes) };
  }

  variants(): Promise<Variants> {
    return Promise.resolve({ same: [], similar: [] });
  }

  /** A path, or the address of an object, as a path below the root. */
  private inside(path: string): string {
    const isAddress = isObjectLocation(path);
    const rest = isAddress && path.startsWith(`${this.name}/`) ? path.slice(this.name.length + 1) : path;
    const normal = posix.normalize(rest);
    const leadsOut =
      (isAddress && rest === path) || normal === '..' || normal.startsWith('../') || normal.startsWith('/');
    if (!leadsOut && !normal.includes('\0')) return normal;
    throw new DataError({
      subject: `Path ${JSON.stringify(path.slice(0, 200))}`,
      expected: `a path inside ${this.name}`,
      received: 'one that leads outside',
      remedy: 'name a file below that prefix, or choose another root',
    });
  }
}

/** Content of a file of a storage, at the version that was found. */
class StoredSource implements ContentSource {
  constructor(
    private readonly storage: Storage,
    private readonly entry: StoredEntry,
    private readonly maximumBytes: number,
  ) {}

  get description(): string {
    return this.entry.path;
  }

  /** @throws DataError naming the file when it has changed or is too large; UnavailableError when it cannot be had now */
  async bytes(): Promise<Uint8Array> {
    const { path, bytes, version } = this.entry;
    if (bytes > this.maximumBytes) {
      throw new DataError({
        subject: `Reading ${this.storage.location}/${path}`,
        expected: `at most ${this.maximumBytes} bytes`,
        received: `${bytes} bytes`,
        remedy: 'shrink the file or raise the limit',
        code: 'too-large',
      });
    }
    return (await this.storage.open(path, version)).read(0, bytes);
  }
}

/** Opens a folder, or a prefix `s3://bucket/prefix`. @throws DataError for a folder that leads nowhere */
export async function openRoot(location: string): Promise<ContentRoot> {
  return isObjectLocation(location) ? new StoredRoot(await openStorage(location), '') : folderRoot(location);
}

/** A folder of a storage that is open. */
export async function storedRoot(storage: Storage, below: string): Promise<ContentRoot> {
  return storage.folder === null ? new StoredRoot(storage, below) : folderRoot(posix.join(storage.folder, below));
}

async function folderRoot(folder: string): Promise<ContentRoot> {
  return new FolderRoot(await resolveInside(folder, '.'));
}
