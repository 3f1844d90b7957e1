import { DataError } from '@drf/tensor';
import { CODED_LABEL, findColumns, type ColumnNames, type FoundColumns } from './columns.js';

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
