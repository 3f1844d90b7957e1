import { DataError } from '@drf/tensor';

/** Posts to learn from have an id and a label; posts to judge need neither. */
export type PostKind = 'labeled' | 'unlabeled';

/**
 * Checks that a table's columns can hold posts.
 * @throws DataError when a column is missing or stands twice, as where a CSV starts without a header row
 */
export function checkHeader(path: string, columns: readonly string[], kind: PostKind): void {
  const has = (name: string): boolean => columns.includes(name);
  const twice = columns.find((name, index) => name !== '' && columns.indexOf(name) !== index);
  const named = kind === 'unlabeled' || (has('id') && (has('label') || has('emotion_label')));
  const complete = named && (has('text') || has('image'));
  if (complete && twice === undefined) return;
  const received = columns.length === 0 ? 'no columns' : `"${columns.join('", "')}"`;
  throw new DataError({
    subject: `The header of ${path}`,
    expected: `columns named ${kind === 'labeled' ? 'id, label, and ' : ''}text or image (or both), each once`,
    received: received.length > 160 ? `${received.slice(0, 157)}...` : received,
    remedy: 'add a header row that names the columns (separated by commas in .csv, by tabs in .tsv)',
  });
}
