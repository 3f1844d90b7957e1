import { contentHash, type Storage, type StoredEntry } from '@drf/files';
import { isTableName } from '../posts/reader.js';
import { contentKind, contentStem } from '../posts/unlabeled-folder.js';

/** Files that are shown of those that a note is about. */
const SHOWN = 5;

/** Notes, each once, with the files that it is about. */
export class FileNotes {
  private readonly paths = new Map<string, { first: string[]; count: number }>();

  add(message: string, path: string): void {
    const about = this.paths.get(message) ?? { first: [], count: 0 };
    about.count++;
    if (about.first.length < SHOWN) about.first.push(path);
    this.paths.set(message, about);
  }

  /** "a.csv: is empty", "a.csv, b.csv and 7 more: is empty". */
  get messages(): readonly string[] {
    return [...this.paths].map(([message, { first, count }]) => {
      const more = count > first.length ? ` and ${count - first.length} more` : '';
      return `${first.join(', ')}${more}: ${message}`;
    });
  }
}

/** Whether a path is no input: hidden files and folders, those that begin with `_`, and what is left out by name. */
export function skipper(except: readonly string[]): (path: string) => boolean {
  return (path) => isHidden(path) || isLeftOut(path, except);
}

/** @param except files, and folders with all that is in them */
function isLeftOut(path: string, except: readonly string[]): boolean {
  return except.some((place) => path === place || path.startsWith(`${place}/`));
}

function isHidden(path: string): boolean {
  return path.split('/').some((name) => name.startsWith('.') || name.startsWith('_'));
}

/** Files to plan: tables, each an input, or images and texts, which are one together. */
export type Inputs =
  | { readonly kind: 'tables'; readonly entries: readonly StoredEntry[] }
  | { readonly kind: 'folder'; readonly bytes: number; readonly version: string }
  | { readonly kind: 'none'; readonly seen: number };

/**
 * Lists the inputs below a storage's root, and notes what is none. Where there are tables (archives of posts among them),
 * images and texts beside them are content that tables may name.
 */
export async function listInputs(storage: Storage, except: readonly string[], notes: FileNotes): Promise<Inputs> {
  const entries: StoredEntry[] = [];
  for await (const entry of storage.list()) {
    if (isLeftOut(entry.path, except)) continue;
    if (isHidden(entry.path)) notes.add('is hidden, or begins with "_", and is not read', entry.path);
    else entries.push(entry);
  }
  entries.sort(byPath);
  const stems = new Set(
    entries.filter(({ path }) => contentKind(path) !== undefined).map(({ path }) => contentStem(path)),
  );
  const tars = new Set(entries.flatMap(({ path }) => stemOf(path, TAR)));
  const tables = entries.filter(({ path }) => {
    if (!isTableName(path)) return false;
    const beside = companion(path, stems, tars);
    if (beside !== null) notes.add(beside, path);
    return beside === null;
  });
  if (tables.length > 0) {
    for (const { path } of entries) {
      if (contentKind(path) !== undefined)
        notes.add('is an image or text beside tables, read only where one names it', path);
      else if (!isTableName(path)) notes.add('is of no kind that holds posts, and is not read', path);
    }
    return { kind: 'tables', entries: tables };
  }
  if (stems.size === 0) return { kind: 'none', seen: entries.length };
  const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
  return { kind: 'folder', bytes, version: versionOf(entries) };
}

const TAR = /\.(tar|tar\.gz|tgz)$/i;

function stemOf(path: string, ending: RegExp): readonly string[] {
  return ending.test(path) ? [path.replace(ending, '')] : [];
}

/** What a file is that belongs to another one beside it, or null. */
function companion(path: string, stems: ReadonlySet<string>, tars: ReadonlySet<string>): string | null {
  const isOf = (ending: RegExp, names: ReadonlySet<string>): boolean =>
    stemOf(path, ending).some((stem) => names.has(stem));
  if (isOf(/\.parquet$/i, tars)) return 'describes the tar of the same name (img2dataset), and is no second input';
  if (isOf(/_stats\.json$/i, tars)) return 'counts what is in the tar of the same name (img2dataset), and is no input';
  if (isOf(/\.json$/i, stems)) return 'describes the image or text of the same name, and is no table';
  return null;
}

/** By code unit, whatever order the storage lists in. */
function byPath(one: StoredEntry, other: StoredEntry): number {
  return one.path < other.path ? -1 : 1;
}

function versionOf(entries: readonly StoredEntry[]): string {
  return contentHash(...entries.flatMap(({ path, version }) => [path, version])).slice(0, 32);
}

/** The version of a folder of images and texts, as {@link listInputs} gives it. */
export async function folderVersion(storage: Storage, isSkipped: (path: string) => boolean): Promise<string> {
  const entries: StoredEntry[] = [];
  for await (const entry of storage.list()) if (!isSkipped(entry.path)) entries.push(entry);
  return versionOf(entries.sort(byPath));
}
