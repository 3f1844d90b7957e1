import { existsSync, statSync } from 'node:fs';
import { mkdir, readFile, rename, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { readJson, writeFileAtomic, writeJsonAtomic } from '@drf/files';

/** A commit's hash, which names content that never changes. */
export const COMMIT = /^[0-9a-f]{40}$/;

/** A file of a commit as it was fetched. */
export interface FetchedFile {
  readonly name: string;
  readonly bytes: number;
  /** The hub's name for the content. */
  readonly etag: string;
}

/**
 * A model's place in a cache, laid out as Python's `huggingface_hub` does, so that both use one another's files:
 * `blobs/<etag>`, `snapshots/<commit>/<file>` as links to them, `refs/<branch or tag>` with a commit. Beside them
 * `fetched-<commit>.json` lists what this package fetched of a commit.
 */
export class ModelCache {
  private readonly root: string;

  constructor(cacheDir: string, id: string) {
    this.root = join(cacheDir, `models--${id.replaceAll('/', '--')}`);
  }

  snapshot(commit: string): string {
    return join(this.root, 'snapshots', commit);
  }

  blob(etag: string): string {
    return join(this.root, 'blobs', etag);
  }

  /** The commit that a branch or tag had when it was asked for last. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (COMMIT.test(revision)) return revision;
    const text = await readFile(join(this.root, 'refs', revision), 'utf8').catch(() => '');
    return COMMIT.test(text.trim()) ? text.trim() : undefined;
  }

  /** Whether everything that was once listed for a commit is there, in full. */
  async isComplete(commit: string): Promise<boolean> {
    const record = await readJson(this.record(commit), 1024 * 1024).catch(() => undefined);
    const { files } = (record ?? {}) as { readonly files?: readonly FetchedFile[] };
    return Array.isArray(files) && files.every(({ name, bytes }) => this.has(commit, String(name), bytes));
  }

  /** Whether a file of a commit is there, of a given length where that is known. */
  has(commit: string, name: string, bytes?: number): boolean {
    const stats = statSync(join(this.snapshot(commit), name), { throwIfNoEntry: false });
    return stats?.isFile() === true && (bytes === undefined || stats.size === bytes);
  }

  /** Makes a blob a file of a commit. Where links cannot be made, the blob itself moves. */
  async link(commit: string, { name, etag }: FetchedFile): Promise<void> {
    const path = join(this.snapshot(commit), name);
    const blob = this.blob(etag);
    await mkdir(dirname(path), { recursive: true });
    await symlink(relative(dirname(path), blob), path).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST' && existsSync(path)) return;
      await rename(blob, path);
    });
  }

  /** Notes what a commit consists of and which revision it was. */
  async keep(commit: string, revision: string, files: readonly FetchedFile[]): Promise<void> {
    await writeJsonAtomic(this.record(commit), { commit, files });
    if (!COMMIT.test(revision)) await writeFileAtomic(join(this.root, 'refs', revision), commit);
  }

  private record(commit: string): string {
    return join(this.root, `fetched-${commit}.json`);
  }
}
