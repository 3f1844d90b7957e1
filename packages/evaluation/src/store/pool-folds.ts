import { formatCell } from '../cells.js';
import type { StoredCell } from './records.js';

/** How to read what stands in cells of a cross-validation. */
export const FOLDS_LINE =
  'Cross-validation: each post is judged once a seed, by the model of its fold, which did not train on it; the validation split, which is none of these posts, chose the epoch. AUROC is the mean over folds. Training curves and recovered features are those of the first fold.';

/** Whether a cell is made of folds. */
export function isPooled({ rows }: StoredCell): boolean {
  return rows.length > 1;
}

/** What a store has of one cell of a cross-validation. */
interface Gathered {
  readonly folds: number;
  readonly members: { readonly place: number; readonly cell: StoredCell }[];
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
  const gathered = new Map<string, Gathered>();
  for (const cell of cells) {
    if (cell.fold === null) {
      whole.push(cell);
      continue;
    }
    const { experiment, split, method, without, fold } = cell;
    const { folds } = fold;
    const key = JSON.stringify([experiment, folds, split, method, without, formatCell({ ...cell, fold: null })]);
    const members = gathered.get(key)?.members ?? [];
    gathered.set(key, { folds, members: [...members, { place: fold.fold, cell }] });
  }
  let waiting = 0;
  for (const { folds, members } of gathered.values()) {
    const [first, ...others] = members.sort((one, other) => one.place - other.place).map(({ cell }) => cell);
    if (first === undefined || members.length < folds) waiting += members.length;
    else whole.push(pooled([first, ...others], scores));
  }
  return { cells: whole, waiting };
}

function pooled(
  members: readonly [StoredCell, ...StoredCell[]],
  scores: (cell: StoredCell) => Pick<StoredCell, 'accuracy' | 'weightedF1'>,
): StoredCell {
  const [first, ...others] = members;
  const auroc = (figure: 'imageAuroc' | 'textAuroc'): number | null => {
    const known = members.flatMap(({ [figure]: area, posts }) => (area === null ? [] : [{ area, posts }]));
    const total = known.reduce((sum, { posts }) => sum + posts, 0);
    return total === 0 ? null : known.reduce((sum, { area, posts }) => sum + (area * posts) / total, 0);
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
    rows: [...first.rows, ...others.flatMap(({ rows }) => rows)],
  };
  return { ...cell, ...scores(cell) };
}
