import { readdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { readJson, writeJsonAtomic } from '@drf/files';
import { DataError } from '@drf/tensor';
import { readExactJson } from '../posts/json-array.js';
import { parsePostRow } from '../posts/row.js';
import type { Splits } from './make-splits.js';

/** Marks our own split files, with the version of the form. */
const FORMAT = 'drf-split/1';

/** A post of a published split: what the publisher says about it. */
export interface PublishedPost {
  readonly id: string;
  readonly label: string;
  readonly text: string | null;
}

/** One split as its file tells it. */
export interface SplitFile {
  readonly path: string;
  /** The name inside the file, or the file's own without its ending. */
  readonly name: string;
  /** `own`: written by {@link saveSplits}; `ids`: an array of ids; `published`: an array of `{id, text, label}`. */
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
 * Reads a split: our own form, a JSON array of ids, or a published JSON array of `{id, text, label}` (also with CLMLF's
 * `emotion_label` codes 0 positive, 1 neutral, 2 negative).
 * @throws DataError when the file is missing, in another form, or names an id twice
 */
export async function loadSplit(path: string): Promise<SplitFile> {
  const value = await readExactJson(path);
  const split = Array.isArray(value) ? fromArray(path, value) : fromOwn(path, value);
  const seen = new Set<string>();
  for (const id of split.ids) {
    if (seen.has(id)) throw refuse(path, 'each id once', `"${id}" twice`);
    seen.add(id);
  }
  return split;
}

/** Reads every `.json` of a folder that {@link saveSplits} wrote. @throws DataError when there is none */
export async function loadSplits(folder: string): Promise<Splits> {
  const names = await readdir(folder).catch(() => []);
  const splits: Record<string, readonly string[]> = {};
  for (const file of names.filter((name) => name.endsWith('.json')).sort()) {
    const value = await readJson(join(folder, file));
    if (isOwn(value)) splits[value.name] = fromOwn(join(folder, file), value).ids;
  }
  if (Object.keys(splits).length > 0) return splits;
  throw refuse(folder, 'a folder of split files, such as train.json', 'none');
}

function fromArray(path: string, values: readonly unknown[]): SplitFile {
  const name = basename(path, extname(path));
  const isPublished = typeof values[0] === 'object' && values[0] !== null;
  if (isPublished) {
    const posts = values.map((value, index) => publishedPost(`${basename(path)}, row ${index + 1}`, path, value));
    return { path, name, form: 'published', ids: posts.map((post) => post.id), posts };
  }
  return { path, name, form: 'ids', ids: values.map((value) => idOf(path, value)), posts: [] };
}

function publishedPost(subject: string, path: string, value: unknown): PublishedPost {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw refuse(`${path}, ${subject}`, 'a post {id, text, label}', JSON.stringify(value));
  }
  const { id, label, text } = parsePostRow(subject, { label: null, ...(value as Record<string, unknown>) });
  return { id, label, text };
}

function isOwn(value: unknown): value is { readonly name: string; readonly ids: readonly unknown[] } {
  if (typeof value !== 'object' || value === null) return false;
  const { format, name, ids } = value as Record<string, unknown>;
  return format === FORMAT && typeof name === 'string' && Array.isArray(ids);
}

function fromOwn(path: string, value: unknown): SplitFile {
  if (isOwn(value)) {
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
