import { formatCell } from '../cells.js';
import type { StoredCell } from './records.js';

/** How to read what stands in cells of a cross-validation. */
export const FOLDS_LINE =
  'Cross-validation: each post is judged once a seed, by the model of its fold, which did not train on it; the validation split, which is none of these posts, chose the epoch. AUROC is the mean over folds. Training curves and recovered features are those of the first fold.';

/** Whether a cell is made of folds. */
export function isPooled({ rows }: StoredCell): boolean {
  return rows.length > 1;
}

/**
 * Puts the folds of cross-validations together: cells that differ in nothing but their fold become one, of split
 * `test, 5 folds`, which every table takes as any other. Cells of which a fold is not there yet are left out.
 * @param scores judges the posts of all folds together
 * @returns all cells, pooled where they are folds, and how many of these wait for the rest of their folds
 */
export function poolFolds(
  cells: readonly StoredCell[],
  scores: (cell: StoredCell) => Pick<StoredCell, 'accuracy' | 'weightedF1'>,
): { readonly cells: readonly StoredCell[]; readonly waiting: number } {
  const whole: StoredCell[] = [];
  const gathered = new Map<string, StoredCell[]>();
  for (const cell of cells) {
    if (cell.fold === null) {
      whole.push(cell);
      continue;
    }
    const { experiment, split, method, without, fold } = cell;
    const key = JSON.stringify([experiment, fold.folds, split, method, without, formatCell({ ...cell, fold: null })]);
    gathered.set(key, [...(gathered.get(key) ?? []), cell]);
  }
  let waiting = 0;
  for (const folds of gathered.values()) {
    if (folds.length < (folds[0]?.fold?.folds as number)) waiting += folds.length;
    else whole.push(pooled(folds, scores));
  }
  return { cells: whole, waiting };
}

function pooled(
  folds: readonly StoredCell[],
  scores: (cell: StoredCell) => Pick<StoredCell, 'accuracy' | 'weightedF1'>,
): StoredCell {
  const members = [...folds].sort((one, other) => (one.fold?.fold as number) - (other.fold?.fold as number));
  const first = members[0] as StoredCell;
  const auroc = (figure: 'imageAuroc' | 'textAuroc'): number | null => {
    const known = members.filter((cell) => cell[figure] !== null);
    const total = known.reduce((sum, cell) => sum + cell.posts, 0);
    return total === 0 ? null : known.reduce((sum, cell) => sum + ((cell[figure] as number) * cell.posts) / total, 0);
  };
  const isClean = members.every(({ disruptionKey }) => disruptionKey === null);
  const cell: StoredCell = {
    ...first,
    fold: null,
    split: `${first.split}, ${members.length} folds`,
    posts: members.reduce((sum, { posts }) => sum + posts, 0),
    imageAuroc: auroc('imageAuroc'),
    textAuroc: auroc('textAuroc'),
    postsKey: members.map(({ postsKey }) => postsKey).join('+'),
    disruptionKey: isClean ? null : members.map(({ disruptionKey }) => disruptionKey).join('+'),
    rows: members.flatMap(({ rows }) => rows),
  };
  return { ...cell, ...scores(cell) };
}
