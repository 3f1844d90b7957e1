import { createWriteStream } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { bytesHash, type Storage, type StoredEntry } from '@drf/files';
import { DataError, mapAhead, refuser } from '@drf/tensor';
import { claimSegment, rowsName, type CacheFiles } from './segment.js';

/** Of a segment in a shared place: the SHA-256 of its index, which holds checksums of all its rows. */
const SHARED_INDEX = /^([0-9a-f]{64})\.index$/;
/** Beside a segment here: which one of the shared place it is. */
const MARK = /^segment-\d{6,}\.shared$/;
const SEGMENTS_AT_ONCE = 4;

/**
 * A second place for the segments of one encoder, behind the folder: those that are lacking here are fetched before
 * encoding, new ones are published. They are named by their content, so whoever publishes one at the same time writes the
 * same, and nothing is ever replaced.
 */
export class SharedSegments {
  /** @param name of the encoder's folder, here and there */
  constructor(
    private readonly storage: Storage,
    private readonly name: string,
    private readonly folder: string,
    private readonly files: CacheFiles,
  ) {}

  /** Fetches what is lacking here. @throws UnavailableError and others when the storage fails */
  async fetch(): Promise<void> {
    const here = await this.marks();
    const lacking: [hash: string, index: StoredEntry][] = [];
    for await (const entry of this.storage.list(this.name)) {
      const hash = SHARED_INDEX.exec(basename(entry.path))?.[1];
      if (hash !== undefined && !here.has(hash)) lacking.push([hash, entry]);
    }
    if (lacking.length === 0) return;
    await mkdir(this.folder, { recursive: true });
    const fetching = mapAhead(lacking, SEGMENTS_AT_ONCE, ([hash, index]) => this.fetchSegment(hash, index));
    while ((await fetching.next()).done !== true);
  }

  /** Publishes a segment of this folder as it is now. @throws as {@link Storage.write} */
  async publish(indexPath: string): Promise<void> {
    const index = await readFile(indexPath); // read first: its rows are there already
    const hash = bytesHash(index);
    if ((await this.marks()).has(hash)) return;
    await this.storage.write(`${this.name}/${hash}.rows`, { file: rowsName(indexPath) }, { ifAbsent: true });
    await this.storage.write(`${this.name}/${hash}.index`, index, { ifAbsent: true });
    await writeFile(markPath(indexPath), hash);
  }

  /** Rows first and the mark last: what is cut short is no segment, or one that is fetched again. */
  private async fetchSegment(hash: string, entry: StoredEntry): Promise<void> {
    const { path: indexPath, handle } = await claimSegment(this.folder, this.files);
    try {
      const rows = await this.storage.open(`${this.name}/${hash}.rows`);
      await pipeline(rows.stream(), createWriteStream(rowsName(indexPath)));
      const file = await this.storage.open(entry.path, entry.version);
      const index = await file.read(0, file.bytes);
      if (bytesHash(index) !== hash) {
        const refuse = refuser(DataError, `Shared feature cache ${file.name}`);
        throw refuse('a file whose name is the SHA-256 of its content', 'another content', 'remove it there');
      }
      await handle.writeFile(index);
      await writeFile(markPath(indexPath), hash);
    } catch (error) {
      for (const path of [indexPath, rowsName(indexPath)]) await rm(path, { force: true });
      throw error;
    } finally {
      await handle.close();
    }
  }

  private async marks(): Promise<Set<string>> {
    const names = (await readdir(this.folder).catch(() => [] as string[])).filter((name) => MARK.test(name));
    return new Set(await Promise.all(names.map((name) => readFile(join(this.folder, name), 'utf8'))));
  }
}

function markPath(indexPath: string): string {
  return indexPath.replace(/\.index$/, '.shared');
}
