import { basename } from 'node:path';
import { readJson } from '@drf/files';
import { DataError } from '@drf/tensor';
import { RowError } from '../row-error.js';
import type { ColumnNames } from './columns.js';
import type { PostKind } from './header.js';
import { asCells, rolesOf } from './json-lines.js';
import type { RawRow } from './row.js';

/**
 * Reads a published split file: a JSON array of `{id, text, label}`, or of CLMLF's `{id, text, emotion_label}`. Images
 * are in `data/{id}.jpg` beside it unless a row names another path. Rows count from 1.
 */
export async function* readJsonArray(
  path: string,
  kind: PostKind = 'labeled',
  named: ColumnNames = {},
): AsyncGenerator<RawRow> {
  const values = await readJson(path);
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
      const { cells, columns, own } = rolesOf(asCells(`${basename(path)}, row ${line}`, value, kind), named);
      yield { line, columns, own, cells: { ...cells, image: cells.image ?? `data/${String(cells.id)}.jpg` } };
    } catch (error) {
      if (!(error instanceof RowError)) throw error;
      yield { line, error };
    }
  }
}
