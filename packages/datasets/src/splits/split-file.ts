import { readdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { readJson, writeJsonAtomic } from '@drf/files';
import { DataError } from '@drf/tensor';
import { codedNames } from '../posts/row.js';
import type { Splits } from './make-splits.js';
import { publishedPost, readPublishedSplit, type PublishedPost } from './published-split.js';

/** Marks our own split files, with the version of the form. */
const FORMAT = 'drf-split/1';

/** One split as its file tells it. */
export interface SplitFile {
  readonly path: string;
  /** The name inside the file, or the file's own without its ending. */
  readonly name: string;
  /** `own`: written by {@link saveSplits}; `ids`: ids alone; `published`: posts with their labels. */
  readonly form: 'own' | 'ids' | 'published';
  readonly ids: readonly string[];
  /** Labels and texts of a published split; empty for the other forms. */
  readonly posts: readonly PublishedPost[];
}

/** What a split was made from; saved beside its ids. */
export interface SplitOrigin {
  readonly dataset: string;
  readonly seed: number;
  readonly fractions: Readonly<Record<string, number>>;
}

/** Writes `FOLDER/{name}.json` for every split, each whole or not at all. */
export async function saveSplits(folder: string, splits: Splits, origin: SplitOrigin): Promise<void> {
  for (const [name, ids] of Object.entries(splits)) {
    await writeJsonAtomic(join(folder, `${name}.json`), { format: FORMAT, name, ...origin, count: ids.length, ids });
  }
}

/**
 * Reads a split: our own form, a JSON array of ids, a text file with an id a line, or a published file: a JSON array or
 * JSON Lines of `{id, text, label}` (also with CLMLF's codes in `emotion_label`), or a table with a header, such as
 * UP-MPF's `index, #1 Label, …`.
 * @throws DataError when the file is missing, in another form, or names an id twice
 */
export async function loadSplit(path: string): Promise<SplitFile> {
  return withoutRepeats(await readSplit(path));
}

/** @throws DataError when an id occurs twice */
function withoutRepeats(split: SplitFile): SplitFile {
  const seen = new Set<string>();
  for (const id of split.ids) {
    if (seen.has(id)) throw refuse(split.path, 'each id once', `"${id}" twice`);
    seen.add(id);
  }
  return split;
}

/** What stands beside split files where they were made. */
const COMPANIONS = ['duplicates.json', 'ledger.json'];

/**
 * Reads every split of a folder that {@link saveSplits} wrote.
 * @throws DataError when there is none, or one is damaged: without it, what is left would pass for all there is
 */
export async function loadSplits(folder: string): Promise<Splits> {
  const names = await readdir(folder).catch(() => []);
  const splits: Record<string, readonly string[]> = {};
  for (const file of names.filter((name) => name.endsWith('.json') && !COMPANIONS.includes(name)).sort()) {
    const path = join(folder, file);
    const { name, ids } = withoutRepeats(fromOwn(path, await readJson(path)));
    splits[name] = ids;
  }
  if (Object.keys(splits).length > 0) return splits;
  throw refuse(folder, 'a folder of split files, such as train.json', 'none');
}

async function readSplit(path: string): Promise<SplitFile> {
  const read = await readPublishedSplit(path);
  const name = basename(path, extname(path));
  if ('ids' in read) return { path, name, form: 'ids', ids: read.ids, posts: [] };
  if ('posts' in read) return fromPosts(path, read.posts);
  const { json } = read;
  if (!Array.isArray(json)) return fromOwn(path, json);
  const isPublished = typeof json[0] === 'object' && json[0] !== null;
  if (!isPublished) return { path, name, form: 'ids', ids: json.map((value) => idOf(path, value)), posts: [] };
  return fromPosts(path, json.map((value, index) => postOf(path, index + 1, value))); // prettier-ignore
}

function fromPosts(path: string, posts: readonly PublishedPost[]): SplitFile {
  const name = basename(path, extname(path));
  return { path, name, form: 'published', ids: posts.map((post) => post.id), posts: withNames(posts, []) };
}

/** Posts whose coded labels are named as the codes of the whole file, or the data set's classes, demand. */
export function withNames(posts: readonly PublishedPost[], classes: readonly string[]): readonly PublishedPost[] {
  const names = codedNames(posts.flatMap(({ code }) => code ?? []), classes); // prettier-ignore
  return posts.map((post) => (post.code === undefined ? post : { ...post, label: names[post.code] ?? post.label }));
}

function postOf(path: string, row: number, value: unknown): PublishedPost {
  const subject = `${basename(path)}, row ${row}`;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return publishedPost(subject, value as Record<string, unknown>);
  }
  throw refuse(`${path}, ${subject}`, 'a post {id, text, label}', JSON.stringify(value));
}

function isOwn(
  value: unknown,
): value is { readonly name: string; readonly ids: readonly unknown[]; readonly count?: unknown } {
  if (typeof value !== 'object' || value === null) return false;
  const { format, name, ids } = value as Record<string, unknown>;
  return format === FORMAT && typeof name === 'string' && Array.isArray(ids);
}

function fromOwn(path: string, value: unknown): SplitFile {
  if (isOwn(value)) {
    const { count = value.ids.length } = value;
    if (count !== value.ids.length)
      throw refuse(path, `${JSON.stringify(count)} ids, as it says`, String(value.ids.length));
    return { path, name: value.name, form: 'own', ids: value.ids.map((id) => idOf(path, id)), posts: [] };
  }
  throw refuse(path, `a split of format ${FORMAT}, an array of ids, or an array of {id, text, label}`, 'other JSON');
}

function idOf(path: string, value: unknown): string {
  if (typeof value === 'string' || (typeof value === 'number' && Number.isSafeInteger(value))) return String(value);
  throw refuse(path, 'ids that are text or whole numbers', JSON.stringify(value));
}

function refuse(path: string, expected: string, received: string): DataError {
  return new DataError({ subject: `Split file ${path}`, expected, received, remedy: 'correct or remake the file' });
}
