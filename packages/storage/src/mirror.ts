import type { Storage } from '@drf/files';
import { join } from 'node:path';
import { FolderStorage } from './folder-storage.js';

/** What a mirror leaves out, and what it writes when all else is there. */
export interface MirrorOptions {
  isIgnored(path: string): boolean;
  /** Of files that name others. Those of a higher rank come later. */
  rankOf(path: string): number;
}

const WRITES_AT_ONCE = 4;

/** Keeps a storage as a folder is: files that changed since the last time are written, those that are gone are removed. */
export class FolderMirror {
  readonly #local: FolderStorage;
  /** Versions that the storage has, as far as this mirror wrote them; undefined for what was there before. */
  readonly #there = new Map<string, string | undefined>();
  #turn: Promise<void> = Promise.resolve();

  private constructor(
    folder: string,
    readonly storage: Storage,
    private readonly options: MirrorOptions,
  ) {
    this.#local = new FolderStorage(folder);
  }

  /** @param isCopy whether the folder holds just what the storage does, so that only changes from now on are written */
  static async start(folder: string, storage: Storage, isCopy: boolean, options: MirrorOptions): Promise<FolderMirror> {
    const mirror = new FolderMirror(folder, storage, options);
    for await (const { path } of storage.list()) {
      mirror.#there.set(path, isCopy ? (await mirror.#local.find(path))?.version : undefined);
    }
    return mirror;
  }

  /**
   * Takes the changes over; while one update is under way, the next waits.
   * @throws as {@link Storage.write}; what was not taken over is by the next update
   */
  update(): Promise<void> {
    const turn = this.#turn.then(() => this.#update());
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #update(): Promise<void> {
    const present = new Set<string>();
    const byRank = new Map<number, { path: string; version: string }[]>();
    for await (const { path, version } of this.#local.list()) {
      if (this.options.isIgnored(path)) continue;
      present.add(path);
      if (this.#there.get(path) === version) continue;
      const rank = this.options.rankOf(path);
      byRank.set(rank, [...(byRank.get(rank) ?? []), { path, version }]);
    }
    for (const [, files] of [...byRank].sort(([one], [other]) => one - other)) await this.#writeAll(files);
    for (const path of [...this.#there.keys()].filter((known) => !present.has(known))) {
      await this.storage.remove(path);
      this.#there.delete(path);
    }
  }

  async #writeAll(files: readonly { readonly path: string; readonly version: string }[]): Promise<void> {
    const due = files.values();
    const lanes = Array.from({ length: WRITES_AT_ONCE }, async () => {
      for (const { path, version } of due) {
        const file = join(this.#local.folder, path);
        try {
          await this.storage.write(path, { file });
          this.#there.set(path, version);
        } catch (error) {
          if ((await this.#local.find(path)) !== undefined) throw error; // else it was removed meanwhile
        }
      }
    });
    const outcomes = await Promise.allSettled(lanes);
    const failure = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
  }
}
