import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readJson, writeJsonAtomic } from '@drf/files';
import { DataError, mapAhead } from '@drf/tensor';
import { recordHash, type Dataset, type PostRecord } from '../dataset.js';
import { SPLIT_NAMES, type SplitName } from '../names.js';

export { SPLIT_NAMES, type SplitName } from '../names.js';

const FORMAT = 'drf-posts-1';
const FILE = 'posts.json';
const LARGEST_FILE = 1024 ** 3;
const POSTS_AHEAD = 16;

/** Which split of a run a post was in, by `postHash`; undefined for a post that the run did not know. */
export type SeenPosts = ReadonlyMap<string, SplitName>;

/**
 * Writes `posts.json` into a run: what the posts of its splits are recognized by. Splits name posts by id, and the same
 * posts may come to be judged from another file, without ids, or under others.
 * @param run its folder
 */
export async function writeSeenPosts(
  run: string,
  dataset: Dataset,
  splits: Readonly<Record<SplitName, readonly PostRecord[]>>,
): Promise<void> {
  const hashes: Record<string, string[]> = {};
  for (const name of SPLIT_NAMES) {
    const found: string[] = [];
    for await (const hash of mapAhead(splits[name], POSTS_AHEAD, (record) => recordHash(dataset, record))) {
      if (hash !== null) found.push(hash);
    }
    hashes[name] = found;
  }
  await writeJsonAtomic(join(run, FILE), { format: FORMAT, splits: hashes });
}

/**
 * The posts that the run in a folder knows. Content that stands in several splits counts as of the first of train, val and test.
 * @returns null for runs that do not say
 * @throws DataError when the file is damaged
 */
export async function readSeenPosts(run: string): Promise<SeenPosts | null> {
  const path = join(run, FILE);
  if ((await stat(path).catch(() => undefined)) === undefined) return null;
  const { format, splits } = ((await readJson(path, LARGEST_FILE)) ?? {}) as {
    readonly format?: unknown;
    readonly splits?: Readonly<Record<string, unknown>>;
  };
  const lists = SPLIT_NAMES.map((name) => splits?.[name]);
  if (format !== FORMAT || !lists.every((list) => Array.isArray(list))) {
    throw new DataError({
      subject: path,
      expected: `posts by split, of format ${FORMAT}`,
      received: format === FORMAT ? 'a damaged file' : `format ${JSON.stringify(format)}`,
      remedy: 'restore the file, or remove it: judging then does not say which posts were trained on',
    });
  }
  const seen = new Map<string, SplitName>();
  for (const name of [...SPLIT_NAMES].reverse()) {
    for (const hash of splits?.[name] as readonly string[]) seen.set(hash, name);
  }
  return seen;
}
