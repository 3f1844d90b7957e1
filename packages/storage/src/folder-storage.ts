import { randomUUID } from 'node:crypto';
import { createReadStream, type Stats } from 'node:fs';
import { copyFile, link, mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { resolveInside, type Storage, type StoredEntry, type StoredFile, type WrittenContent } from '@drf/files';
import { DataError } from '@drf/tensor';

/** A local folder as {@link Storage}. */
export class FolderStorage implements Storage {
  readonly location: string;

  /** @param folder absolute; it need not exist */
  constructor(readonly folder: string) {
    this.location = folder;
  }

  async *list(below = ''): AsyncGenerator<StoredEntry> {
    const found: StoredEntry[] = [];
    const walk = async (path: string): Promise<void> => {
      const entries = await readdir(join(this.folder, path), { withFileTypes: true }).catch(() => []);
      for (const entry of entries) {
        const own = path === '' ? entry.name : `${path}/${entry.name}`;
        if (entry.isDirectory()) await walk(own);
        else if (entry.isFile()) found.push(entryOf(own, await stat(join(this.folder, own))));
      }
    };
    await walk(below);
    yield* found.sort((one, other) => (one.path < other.path ? -1 : 1));
  }

  async find(path: string): Promise<StoredEntry | undefined> {
    const real = await resolveInside(this.folder, path);
    const stats = await stat(real).catch(() => undefined);
    return stats?.isFile() === true ? entryOf(path, stats) : undefined;
  }

  async open(path: string, version?: string): Promise<StoredFile> {
    const entry = await this.find(path);
    const name = join(this.folder, path);
    if (entry === undefined)
      throw new DataError({ subject: `Opening ${name}`, expected: 'a file', received: 'nothing there' });
    if (version !== undefined && entry.version !== version) throw changed(name);
    return new FolderFile(entry, name);
  }

  async write(path: string, content: WrittenContent, { ifAbsent = false } = {}): Promise<boolean> {
    const real = await resolveInside(this.folder, path);
    await mkdir(dirname(real), { recursive: true });
    const temporary = `${real}.${randomUUID()}.temporary`;
    try {
      if (typeof content === 'object' && 'file' in content) await copyFile(content.file, temporary);
      else await writeFile(temporary, content, { flush: true });
      if (!ifAbsent) {
        await rename(temporary, real);
        return true;
      }
      return await link(temporary, real).then(
        () => true,
        (error: NodeJS.ErrnoException) => {
          if (error.code === 'EEXIST') return false;
          throw error;
        },
      );
    } finally {
      await rm(temporary, { force: true });
    }
  }

  async remove(path: string): Promise<void> {
    await rm(await resolveInside(this.folder, path), { force: true });
  }
}

function entryOf(path: string, { size, mtimeMs, ino }: Stats): StoredEntry {
  return { path, bytes: size, version: `${size}-${mtimeMs}-${ino}` };
}

function changed(name: string): DataError {
  return new DataError({
    subject: `Reading ${name}`,
    expected: 'the file as it was when the work was planned',
    received: 'a changed one',
    remedy: 'restore it, or begin anew with another output',
  });
}

class FolderFile implements StoredFile {
  readonly path: string;
  readonly bytes: number;
  readonly version: string;

  constructor(
    entry: StoredEntry,
    readonly name: string,
  ) {
    ({ path: this.path, bytes: this.bytes, version: this.version } = entry);
  }

  async read(start: number, end: number): Promise<Uint8Array> {
    const handle = await open(this.name);
    try {
      this.assertSame(await handle.stat());
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(end - start), 0, end - start, start);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  }

  async *stream(start = 0, end = this.bytes): AsyncGenerator<Uint8Array> {
    this.assertSame(await stat(this.name));
    if (end <= start) return;
    yield* createReadStream(this.name, { start, end: end - 1 }) as AsyncIterable<Buffer>;
    this.assertSame(await stat(this.name));
  }

  private assertSame(stats: Stats): void {
    if (entryOf(this.path, stats).version !== this.version) throw changed(this.name);
  }
}
