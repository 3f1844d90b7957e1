import { basename, extname } from 'node:path';
import { parse } from 'csv-parse/sync';
import { readBounded } from '@drf/files';
import { DataError } from '@drf/tensor';
import { findColumns, type PostColumn } from '../posts/columns.js';
import { sniffDelimiter } from '../posts/csv-line.js';
import { readExactJson, readJsonLines } from '../posts/json.js';
import { openNamedFile } from '../posts/named-file.js';
import { parsePostRow } from '../posts/row.js';

/** A post of a published split: what the publisher says about it. */
export interface PublishedPost {
  readonly id: string;
  readonly label: string;
  /** CLMLF's number of the label, where that is what the file holds. */
  readonly code?: number;
  readonly text: string | null;
}

const MAXIMUM_BYTES = 512 * 1024 * 1024;

/** What a split file of another form than ours holds: posts with labels, or ids alone. */
export type PublishedSplit = { readonly posts: readonly PublishedPost[] } | { readonly ids: readonly string[] };

/**
 * Reads a split as others publish it, by the file's ending: `.jsonl` (QMF: `{id, label, text, img}` a line), `.tsv` or
 * `.csv` with a header (UP-MPF: `index, #1 Label, #2 ImageID, #3 String`), `.txt` (an id a line), and `.json` (the value).
 * @throws DataError or RowError naming the line that cannot be read
 */
export async function readPublishedSplit(path: string): Promise<PublishedSplit | { readonly json: unknown }> {
  switch (extname(path).toLowerCase()) {
    case '.jsonl':
    case '.ndjson':
      return { posts: await postsOfLines(path) };
    case '.tsv':
    case '.csv':
      return readTable(path);
    case '.txt':
      return { ids: await readIds(path) };
    default:
      return { json: await readExactJson(path) };
  }
}

/** A post as the publisher describes it. @throws RowError when id or label are missing */
export function publishedPost(subject: string, cells: Readonly<Record<string, unknown>>): PublishedPost {
  const { id, label, code, text } = parsePostRow(subject, { label: null, ...cells });
  return { id, label, text, ...(code === undefined ? {} : { code }) };
}

async function postsOfLines(path: string): Promise<PublishedPost[]> {
  const posts: PublishedPost[] = [];
  for await (const row of readJsonLines(await openNamedFile(path))) {
    if ('error' in row) throw row.error;
    posts.push(publishedPost(`${basename(path)}, line ${row.line}`, row.cells));
  }
  return posts;
}

async function readLinesOf(path: string): Promise<string> {
  return (await readBounded(path, MAXIMUM_BYTES)).toString('utf8').replace(/^\ufeff/, '');
}

async function readIds(path: string): Promise<string[]> {
  const lines = (await readLinesOf(path)).split(/\r\n|\r|\n/).map((line) => line.trim());
  const ids = lines.filter((line) => line !== '');
  const wrong = lines.findIndex((line) => /\s|,/.test(line));
  if (wrong === -1) return ids;
  throw refuse(path, 'one id a line', `line ${wrong + 1}: ${JSON.stringify(shortened(lines[wrong] as string))}`);
}

/** Quotes mean nothing in `.tsv`, as its publishers write it; cells beyond the header are empty ones at the ends of lines. */
async function readTable(path: string): Promise<PublishedSplit> {
  const content = await readLinesOf(path);
  const delimiter = sniffDelimiter(path, content.slice(0, content.search(/[\r\n]|$/)));
  const rows: readonly string[][] = parse(content, {
    delimiter,
    quote: extname(path).toLowerCase() === '.tsv' ? null : '"',
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
  });
  const header = (rows[0] ?? []).map((name) => name.trim());
  const roles = rolesOf(header);
  if (!roles.includes('id')) {
    throw refuse(path, 'a header with a column of ids (id or index)', `columns "${header.join('", "')}"`);
  }
  const cellsOf = (record: readonly string[]): Record<string, unknown> =>
    Object.fromEntries(roles.flatMap((role, at) => (role === undefined ? [] : [[role, record[at] || null]])));
  const body = rows.slice(1).map((record, index) => ({ cells: cellsOf(record), place: `${basename(path)}, row ${index + 1}` })); // prettier-ignore
  const hasLabels = roles.some((role) => role === 'label' || role === 'emotion_label');
  if (hasLabels) return { posts: body.map(({ cells, place }) => publishedPost(place, cells)) };
  return { ids: body.map(({ cells, place }) => parsePostRow(place, { ...cells, label: '-' }).id) };
}

/** What each column holds, by common names; numbers before them ("#1 Label") do not count. */
function rolesOf(header: readonly string[]): readonly (string | undefined)[] {
  const plain = header.map((name) => name.replace(/^#\d+\s+/, ''));
  const { holds } = findColumns(plain);
  const found = plain.map((name, at) => (plain.indexOf(name) === at ? holds.get(name) : undefined));
  return found.map((role, at) => {
    const other = UP_MPF[(plain[at] as string).toLowerCase()];
    const isFree = other !== undefined && !found.includes(other) && plain.indexOf(plain[at] as string) === at;
    return role ?? (isFree ? other : undefined);
  });
}

/** What UP-MPF calls ids and texts. */
const UP_MPF: Readonly<Record<string, PostColumn>> = { index: 'id', string: 'text' };

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function refuse(path: string, expected: string, received: string): DataError {
  return new DataError({ subject: `Split file ${path}`, expected, received, remedy: 'correct or remake the file' });
}
