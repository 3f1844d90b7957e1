import { formatCell } from '../cells.js';
import type { StoredCell } from '../store/records.js';
import { ResultStore } from '../store/result-store.js';

/** Everything that a store says of its cells, without the ids that rows have in it. */
export function storeContent(path: string): unknown[] {
  const store = new ResultStore(path, 'read');
  const nameOf = (cell: StoredCell): string => [cell.method, cell.without, formatCell(cell)].join(' ');
  const all = store.cells.map((cell) => [
    nameOf(cell),
    { ...cell, rows: [], postsKey: '', disruptionKey: '' },
    store.posts(cell),
    store.predictions(cell),
    store.disruptions(cell),
    store.mask(cell),
    store.features(cell),
    store.report(cell),
    store.epochs(cell),
    store.config(cell),
  ]);
  store.close();
  return all.sort(([one], [other]) => (String(one) < String(other) ? -1 : 1));
}
