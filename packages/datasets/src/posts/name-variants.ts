import { readdir } from 'node:fs/promises';
import { extname, isAbsolute, join, normalize, relative, sep } from 'node:path';
import { resolveInside } from '@drf/files';

/** What is alike of names that differ in case or Unicode form. */
function key(name: string): string {
  return name.normalize('NFC').toLowerCase();
}

/** A name with its ending in lower case, in Unicode's composed form. */
function plain(name: string): string {
  const ending = extname(name);
  return (name.slice(0, name.length - ending.length) + ending.toLowerCase()).normalize('NFC');
}

/** Files that a path may mean where nothing stands at it as written. */
export interface Variants {
  /** Paths below the root that differ in their Unicode form or the case of their ending. */
  readonly same: readonly string[];
  /** Paths that differ in the case of other letters, too. */
  readonly similar: readonly string[];
}

/**
 * Finds files by other forms of their names: macOS writes "é" as two characters where others write one, and cameras write
 * `.JPG` where tables say `.jpg`. Folders are listed once, when first asked for.
 */
export class NameVariants {
  private readonly folders = new Map<string, Promise<ReadonlyMap<string, readonly string[]>>>();

  /** @param root an absolute path; nothing outside it is listed */
  constructor(private readonly root: string) {}

  async find(path: string): Promise<Variants> {
    const inside = isAbsolute(path) ? relative(this.root, path) : normalize(path);
    const parts = inside.split(sep).filter((part) => part !== '');
    if (parts.length === 0 || parts.length > 64 || parts.includes('..')) return { same: [], similar: [] };
    let found: readonly string[] = [''];
    for (const part of parts) {
      const lists = await Promise.all(found.map(async (folder) => this.matches(folder, part)));
      found = lists.flat().slice(0, 16);
    }
    const same = found.filter((candidate) => plain(candidate) === plain(parts.join(sep)));
    return { same, similar: found.filter((candidate) => !same.includes(candidate)) };
  }

  private async matches(folder: string, name: string): Promise<string[]> {
    let listing = this.folders.get(folder);
    if (listing === undefined) {
      listing = this.list(folder);
      this.folders.set(folder, listing);
    }
    return ((await listing).get(key(name)) ?? []).map((found) => join(folder, found));
  }

  private async list(folder: string): Promise<ReadonlyMap<string, readonly string[]>> {
    const names = await resolveInside(this.root, folder === '' ? '.' : folder)
      .then((path) => readdir(path))
      .catch((): string[] => []); // no folder, or one that leads outside: nothing is found in it
    const byKey = new Map<string, string[]>();
    for (const name of names) {
      const alike = byKey.get(key(name));
      if (alike === undefined) byKey.set(key(name), [name]);
      else alike.push(name);
    }
    return byKey;
  }
}
