import { DataError } from '@drf/tensor';

/** Columns that mean something here, by the names that rows have from there on. */
export const POST_COLUMNS = ['id', 'text', 'image', 'label', 'split'] as const;
/** A column that posts are read from. */
export type PostColumn = (typeof POST_COLUMNS)[number];

/**
 * Which column of a file holds what, where a person says so; the others are found by {@link findColumns}. An empty name:
 * none does.
 */
export type ColumnNames = Readonly<Partial<Record<PostColumn, string>>>;

/** CLMLF's published splits code labels as numbers in a column of this name. */
export const CODED_LABEL = 'emotion_label';

/** Names that columns have elsewhere, the likeliest first; in lower case, with `_` for spaces, hyphens and dots. */
const COMMON_NAMES: Readonly<Record<PostColumn, readonly string[]>> = {
  id: ['id', 'post_id', 'tweet_id', 'status_id', 'postid', 'tweetid', 'uid', 'guid'],
  text: ['text', 'tweet', 'caption', 'content', 'full_text', 'tweet_text', 'post_text', 'message', 'sentence', 'body'],
  image: ['image', 'images', 'image_path', 'img', 'img_path', 'image_file', 'image_name', 'imagepath', 'photo', 'picture', 'pic', 'file', 'file_name', 'filename', 'file_path', 'path'],
  label: ['label', 'sentiment', 'class', 'category', 'emotion', 'polarity', 'target', 'labels'],
  split: ['split', 'set', 'subset', 'partition'],
}; // prettier-ignore

/** A file's (or in JSON Lines a row's) columns, and what they hold. */
export interface FoundColumns {
  readonly present: readonly string[];
  /** What a column holds, by its own name: one of {@link POST_COLUMNS} or {@link CODED_LABEL}. */
  readonly holds: ReadonlyMap<string, PostColumn | typeof CODED_LABEL>;
  readonly unused: readonly string[];
}

function normalized(name: string): string {
  return name
    .trim()
    .toLowerCase()
    .replace(/[\s.-]+/g, '_');
}

/**
 * Finds out what columns hold: as named, else by common names ("Tweet", "image_path", "sentiment"), of which the
 * likeliest one that is there counts.
 */
export function findColumns(present: readonly string[], named: ColumnNames = {}): FoundColumns {
  const holds = new Map<string, PostColumn | typeof CODED_LABEL>();
  for (const role of POST_COLUMNS) {
    const name = named[role];
    if (name !== undefined && name !== '' && present.includes(name)) holds.set(name, role);
  }
  const byName = new Map(present.map((name) => [normalized(name), name] as const).reverse());
  for (const role of POST_COLUMNS) {
    if (named[role] !== undefined) continue;
    const found = COMMON_NAMES[role].map((common) => byName.get(common)).find((name) => name !== undefined);
    if (found !== undefined && !holds.has(found)) holds.set(found, role);
  }
  if (present.includes(CODED_LABEL) && !holds.has(CODED_LABEL)) holds.set(CODED_LABEL, CODED_LABEL);
  return { present, holds, unused: present.filter((name) => !holds.has(name)) };
}

/** Cells by what they hold; those of unused columns are left out. */
export function cellsByRole(
  cells: Readonly<Record<string, unknown>>,
  { holds }: FoundColumns,
): Readonly<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (const [name, role] of holds) if (name in cells) found[role] = cells[name];
  return found;
}

/** What a person should know of how columns were taken: those found under other names than ours. */
export function describeColumns({ holds }: FoundColumns): string | undefined {
  const renamed = [...holds].filter(([name, role]) => name !== role).map(([name, role]) => `${role} is "${name}"`);
  return renamed.length === 0 ? undefined : `columns: ${renamed.join(', ')}`;
}

/** Posts to learn from have a label; posts to judge need none. */
export type PostKind = 'labeled' | 'unlabeled';

/**
 * Checks that a table's columns can hold posts.
 * @returns which column holds what
 * @throws DataError when a column is missing or stands twice, as where a CSV starts without a header row
 */
export function checkHeader(
  path: string,
  columns: readonly string[],
  kind: PostKind,
  named: ColumnNames = {},
): FoundColumns {
  const found = findColumns(columns, named);
  const roles = new Set<string>(found.holds.values());
  const absent = Object.entries(named).find(([, name]) => name !== undefined && name !== '' && !columns.includes(name));
  if (absent !== undefined) throw wrongHeader(path, columns, kind, `a column "${absent[1]}", named for ${absent[0]}`);
  const twice = columns.find((name, index) => name !== '' && columns.indexOf(name) !== index);
  const labeled = kind === 'unlabeled' || roles.has('label') || roles.has(CODED_LABEL);
  if (labeled && (roles.has('text') || roles.has('image')) && twice === undefined) return found;
  const label = kind === 'labeled' ? 'label (or sentiment, class, …), and ' : '';
  throw wrongHeader(path, columns, kind, `columns named ${label}text or image (or both), each once`);
}

function wrongHeader(path: string, columns: readonly string[], kind: PostKind, expected: string): DataError {
  const received = columns.length === 0 ? 'no columns' : `"${columns.join('", "')}"`;
  return new DataError({
    subject: `The header of ${path}`,
    expected,
    received: received.length > 400 ? `${received.slice(0, 397)}...` : received,
    remedy: `add a header row that names the columns, or say which is which (${NAMING[kind]})`,
  });
}

/** How a person says which column is which. */
export const NAMING: Readonly<Record<PostKind, string>> = {
  labeled: '--columns label=NAME,text=NAME,image=NAME',
  unlabeled: '--columns text=NAME,image=NAME',
};
