import type { Storage, StoredEntry, StoredFile } from '@drf/files';
import { contentHash } from '@drf/files';
import { DataError } from '@drf/tensor';

/** Objects in memory, in place of object storage. Counts what is asked of it. */
export class MemoryStorage implements Storage {
  readonly folder = null;
  readonly objects = new Map<string, Uint8Array>();
  bytesRead = 0;
  reads = 0;

  constructor(
    readonly location: string,
    content: Readonly<Record<string, string | Uint8Array>>,
  ) {
    for (const [path, bytes] of Object.entries(content)) this.objects.set(path, Buffer.from(bytes));
  }

  async *list(below = ''): AsyncGenerator<StoredEntry> {
    for (const path of [...this.objects.keys()].sort()) {
      if (below === '' || path.startsWith(`${below}/`)) yield (await this.find(path)) as StoredEntry;
    }
  }

  find(path: string): Promise<StoredEntry | undefined> {
    const bytes = this.objects.get(path);
    return Promise.resolve(
      bytes === undefined ? undefined : { path, bytes: bytes.length, version: contentHash(bytes) },
    );
  }

  async open(path: string, version?: string): Promise<StoredFile> {
    const name = `${this.location}/${path}`;
    const entry = await this.find(path);
    if (entry === undefined || (version ?? entry.version) !== entry.version) {
      throw new DataError({ subject: `Reading ${name}`, expected: 'the file as it was', received: 'another, or none' });
    }
    const slice = (start: number, end: number): Uint8Array => {
      const bytes = this.objects.get(path)?.slice(start, end) ?? new Uint8Array();
      this.reads++;
      this.bytesRead += bytes.length;
      return bytes;
    };
    return {
      ...entry,
      name,
      read: (start, end) => Promise.resolve(slice(start, end)),
      async *stream(start = 0, end = entry.bytes) {
        for (let at = start; at < end; at += 1000) yield await Promise.resolve(slice(at, Math.min(end, at + 1000)));
      },
    };
  }

  async write(path: string, content: string | Uint8Array): Promise<boolean> {
    this.objects.set(path, Buffer.from(content));
    return Promise.resolve(true);
  }

  async remove(path: string): Promise<void> {
    this.objects.delete(path);
    return Promise.resolve();
  }
}
