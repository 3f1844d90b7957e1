import { basename } from 'node:path';
import { readBounded } from '@drf/files';
import { DataError } from '@drf/tensor';
import { messageOf, RowError } from '../row-error.js';
import { decodeStrictly } from '../text-decoder.js';
import type { ColumnNames } from './columns.js';
import type { PostKind } from './header.js';
import { asCells, rolesOf } from './json-lines.js';
import { PLAIN_TEXT, type TextForm } from './lines.js';
import { parseJson } from './parse-json.js';
import type { RawRow } from './row.js';

const MAXIMUM_BYTES = 512 * 1024 * 1024;

/** Reads a JSON file, whole numbers with all their digits. @throws DataError naming the file and what is wrong with it */
export async function readExactJson(path: string, { encoding }: TextForm = PLAIN_TEXT): Promise<unknown> {
  const text = decodeStrictly(`Reading ${path}`, await readBounded(path, MAXIMUM_BYTES), encoding);
  try {
    return parseJson(text);
  } catch (cause) {
    const received = messageOf(cause);
    throw new DataError(
      { subject: `Reading ${path}`, expected: 'valid JSON', received, remedy: 'repair or remake the file' },
      { cause },
    );
  }
}

/**
 * Reads a JSON array of posts, such as a published split file: `{id, text, label}`, or CLMLF's
 * `{id, text, emotion_label}`. Where a row has no key for an image, `data/{id}.jpg` may be its image. Rows count from 1.
 */
export async function* readJsonArray(
  path: string,
  kind: PostKind = 'labeled',
  named: ColumnNames = {},
  form: TextForm = PLAIN_TEXT,
): AsyncGenerator<RawRow> {
  const values = await readExactJson(path, form);
  if (!Array.isArray(values)) {
    throw new DataError({
      subject: `Reading ${path}`,
      expected: 'a JSON array of posts {id, text, label}',
      received: values === null ? 'null' : typeof values,
      remedy: 'name a published split file, or use JSON Lines, CSV or Parquet',
    });
  }
  for (const [index, value] of values.entries()) {
    const line = index + 1;
    try {
      const row = rolesOf(asCells(`${basename(path)}, row ${line}`, value, kind), named);
      yield { line, ...row, ...usualImage(row.cells) };
    } catch (error) {
      if (!(error instanceof RowError)) throw error;
      yield { line, error };
    }
  }
}

/** Where the image of a published split's post lies, if it lies anywhere. */
function usualImage(cells: Readonly<Record<string, unknown>>): { readonly usualImage?: string } {
  const { id } = cells;
  if ('image' in cells || (typeof id !== 'string' && typeof id !== 'number') || id === '') return {};
  return { usualImage: `data/${String(id)}.jpg` };
}
