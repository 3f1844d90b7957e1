import { randomUUID } from 'node:crypto';
import { constants, type Dirent, type Stats } from 'node:fs';
import {
  copyFile,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  stat,
  writeFile,
  type FileHandle,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import {
  contentHash,
  lockFile,
  resolveInside,
  type FileLock,
  type Storage,
  type StoredEntry,
  type StoredFile,
  type WrittenContent,
} from '@drf/files';
import { DataError, DrfError, refuser } from '@drf/tensor';
import { comparePaths, listedPath, storedPath } from './location.js';
import { isFileContent, sizeOf } from './content.js';
import { changedError, goneError } from './errors.js';

/** A write under way, or one that was killed: no listing shows it. Short, since a file's own name may be the longest. */
const TEMPORARY = /^\.drf-([0-9a-f-]{36}\.temporary|[0-9a-f]{64}\.lock(\.guard)?)$/;
/** What a file system says that has no hard links: exFAT, some network shares. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL']);
const NOTHING = new Set(['ENOENT', 'ENOTDIR']);
const LOCK_TRIES = 500;
const LOCK_WAIT_MS = 20;
/** Without waiting, should a pipe have taken the file's place. */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** A local folder as {@link Storage}. */
export class FolderStorage implements Storage {
  readonly location: string;

  /** @param folder absolute; it need not exist */
  constructor(readonly folder: string) {
    this.location = folder;
  }

  /**
   * One folder at a time, so memory holds the names of the deepest way only. Links to files inside count as files; those to
   * folders inside are left out, as what they lead to is listed at its own place.
   * @throws DataError for a link that leads out, and a folder that cannot be read
   */
  async *list(below = ''): AsyncGenerator<StoredEntry> {
    const start = below === '' ? '' : storedPath(this.folder, below);
    if (start !== '') await resolveInside(this.folder, start);
    yield* this.#walk(start);
  }

  async *#walk(folder: string): AsyncGenerator<StoredEntry> {
    const entries = await readdir(join(this.folder, folder), { withFileTypes: true }).catch((error: unknown) => {
      if (NOTHING.has(codeOf(error))) return [];
      throw failed('Listing', join(this.folder, folder), error);
    });
    // "a-b" comes before what is in "a", as "-" does before "/"
    const sorted = entries
      .filter(({ name }) => !TEMPORARY.test(name))
      .map((entry) => ({ entry, order: entry.isDirectory() ? `${entry.name}/` : entry.name }))
      .sort((one, other) => comparePaths(one.order, other.order));
    for (const { entry } of sorted) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) yield* this.#walk(path);
      else {
        const stats = await this.#statsOf(entry, path);
        if (stats?.isFile() === true) yield entryOf(listedPath(this.folder, path), stats);
      }
    }
  }

  /** Nothing for one that is gone by now, and for links that lead nowhere. */
  async #statsOf(entry: Dirent, path: string): Promise<Stats | undefined> {
    const name = join(this.folder, path);
    const stats = await stat(name).catch(() => undefined);
    if (entry.isSymbolicLink() && stats !== undefined) await resolveInside(this.folder, path);
    return stats;
  }

  async find(path: string): Promise<StoredEntry | undefined> {
    const { real, plain } = await this.#resolve(path);
    const stats = await stat(real).catch((error: unknown) => {
      if (NOTHING.has(codeOf(error))) return undefined;
      throw failed('Looking for', join(this.folder, plain), error);
    });
    return stats?.isFile() === true ? entryOf(plain, stats) : undefined;
  }

  async open(path: string, version?: string): Promise<StoredFile> {
    const { real, plain } = await this.#resolve(path);
    const entry = await this.find(plain);
    const name = join(this.folder, plain);
    if (entry === undefined) throw goneError(name);
    if (version !== undefined && entry.version !== version) throw changedError(name);
    return new FolderFile(entry, name, real);
  }

  async write(path: string, content: WrittenContent, { ifAbsent = false } = {}): Promise<boolean> {
    const { real, plain } = await this.#resolve(path);
    const temporary = join(dirname(real), `.drf-${randomUUID()}.temporary`);
    try {
      await sizeOf(content);
      await mkdir(dirname(real), { recursive: true });
      if (ifAbsent && (await isThere(real))) return false; // before all of it is written
      await fill(temporary, content);
      if (ifAbsent) return await publish(temporary, real);
      await rename(temporary, real);
      return true;
    } catch (error) {
      throw failed('Writing', join(this.folder, plain), error);
    } finally {
      await rm(temporary, { force: true }).catch(() => undefined);
    }
  }

  async remove(path: string): Promise<void> {
    const { real, plain } = await this.#resolve(path);
    await rm(real, { force: true }).catch((error: unknown) => {
      throw failed('Removing', join(this.folder, plain), error);
    });
  }

  async #resolve(path: string): Promise<{ readonly plain: string; readonly real: string }> {
    const plain = storedPath(this.folder, path);
    return { plain, real: await resolveInside(this.folder, plain) };
  }
}

/** Writes a whole new file down to the disk. */
async function fill(temporary: string, content: WrittenContent): Promise<void> {
  if (!isFileContent(content)) {
    return writeFile(temporary, content, { flush: true, flag: 'wx' });
  }
  await copyFile(content.file, temporary, constants.COPYFILE_EXCL);
  const handle = await open(temporary, 'r+');
  await handle.sync().finally(() => handle.close());
}

/** Gives a whole file its name unless another has it, which a link does in one step. */
async function publish(temporary: string, real: string): Promise<boolean> {
  try {
    await link(temporary, real);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    if (!NO_LINKS.has(codeOf(error))) throw error;
    return publishByLock(temporary, real);
  }
}

/** {@link publish} without links: one process at a time looks and renames. A process that is killed leaves no claim. */
export async function publishByLock(temporary: string, real: string): Promise<boolean> {
  const path = join(dirname(real), `.drf-${contentHash(basename(real))}.lock`);
  const lock = await takeLock(path, `Writing ${real}`);
  try {
    if (await isThere(real)) return false;
    await rename(temporary, real);
    return true;
  } finally {
    await lock.release();
  }
}

async function takeLock(path: string, subject: string): Promise<FileLock> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await lockFile(path, subject);
    } catch (error) {
      if (!(error instanceof DrfError) || attempt === LOCK_TRIES) throw error;
      await wait(LOCK_WAIT_MS);
    }
  }
}

function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

function entryOf(path: string, { size, mtimeMs, ino }: Stats): StoredEntry {
  return { path, bytes: size, version: `${size}-${mtimeMs}-${ino}` };
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}

function failed(doing: string, name: string, error: unknown): DrfError {
  if (error instanceof DrfError) return error;
  const code = codeOf(error);
  return refuser(DataError, `${doing} ${name}`)(
    doing === 'Writing' ? 'a folder with room and permission' : 'a file or folder with permission',
    `${code || 'an error'}: ${(error as Error).message}`,
    code === 'ENOSPC' ? 'free some disk space; nothing was replaced' : 'check the path and its permissions',
    error,
  );
}

/** A file at one version, looked at before and after each reading. */
class FolderFile implements StoredFile {
  readonly path: string;
  readonly bytes: number;
  readonly version: string;

  constructor(
    entry: StoredEntry,
    readonly name: string,
    private readonly real: string,
  ) {
    ({ path: this.path, bytes: this.bytes, version: this.version } = entry);
  }

  async read(start: number, end: number): Promise<Uint8Array> {
    const handle = await this.#open();
    try {
      const buffer = Buffer.alloc(Math.max(0, Math.min(end, this.bytes) - start));
      let filled = 0;
      while (filled < buffer.length) {
        const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, start + filled);
        if (bytesRead === 0) throw changedError(this.name);
        filled += bytesRead;
      }
      this.#assertSame(await handle.stat());
      return buffer;
    } catch (error) {
      throw failed('Reading', this.name, error);
    } finally {
      await handle.close();
    }
  }

  async *stream(start = 0, end = this.bytes): AsyncGenerator<Uint8Array> {
    const last = Math.min(end, this.bytes);
    const handle = await this.#open();
    try {
      if (last > start)
        yield* handle.createReadStream({ start, end: last - 1, autoClose: false }) as AsyncIterable<Buffer>;
      this.#assertSame(await handle.stat());
    } catch (error) {
      throw failed('Reading', this.name, error);
    } finally {
      await handle.close();
    }
  }

  /** The file of that name as it is now, if it is the one that was opened. */
  async #open(): Promise<FileHandle> {
    const handle = await open(this.real, OPEN_FLAGS).catch((error: unknown) => {
      throw NOTHING.has(codeOf(error)) ? goneError(this.name) : failed('Reading', this.name, error);
    });
    try {
      this.#assertSame(await handle.stat());
      return handle;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  #assertSame(stats: Stats): void {
    if (entryOf(this.path, stats).version !== this.version) throw changedError(this.name);
  }
}
