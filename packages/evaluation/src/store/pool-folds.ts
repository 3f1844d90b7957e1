import { parseFoldName } from './fold-name.js';
import type { StoredCell } from './stored.js';

/** A cell of a cross-validation: the same cell of all folds, in their order, over all their posts. */
export interface PooledCell extends StoredCell {
  readonly members: readonly StoredCell[];
}

/** What a store has of the cells of one method, training disruption and seed, fold by fold. */
interface Gathered {
  readonly experiment: string;
  readonly folds: number;
  readonly members: Map<number, StoredCell>;
}

/** How to read what stands in cells of a cross-validation. */
export const FOLDS_LINE =
  'Cross-validation: each post is judged once a seed, by the model of its fold, which did not train on it; the validation split, which is none of these posts, chose the epoch. AUROC is the mean over folds. Training curves and recovered features are those of the first fold.';

/** Whether a cell is made of folds. */
export function isPooled(cell: StoredCell): cell is PooledCell {
  return 'members' in cell;
}

/** What a pooled cell says of its posts and answers together. */
export type Scores = Pick<StoredCell, 'accuracy' | 'weightedF1'>;

/**
 * Puts the folds of cross-validations together: cells that differ in nothing but their fold become one, of split
 * `test, 5 folds`, which every table takes as any other. Cells of which a fold is not there yet are left out.
 * @param scores judges the posts of all folds together
 * @returns all cells, pooled where they are folds, and how many of these wait for the rest of their folds
 */
export function poolFolds(
  cells: readonly StoredCell[],
  scores: (members: readonly StoredCell[]) => Scores,
): { readonly cells: (StoredCell | PooledCell)[]; readonly waiting: number } {
  const whole: StoredCell[] = [];
  const gathered = new Map<string, Gathered>();
  for (const cell of cells) {
    const named = parseFoldName(cell.experiment);
    if (named === null) {
      whole.push(cell);
      continue;
    }
    const { experiment, place } = named;
    const { split, method, without, trainedOn, seed, name } = cell;
    const key = JSON.stringify([experiment, place.folds, split, method, without, trainedOn, seed, name]);
    const own = gathered.get(key) ?? { experiment, folds: place.folds, members: new Map<number, StoredCell>() };
    own.members.set(place.fold, cell);
    gathered.set(key, own);
  }
  const ids = new VirtualIds();
  const complete = [...gathered.values()].filter(({ folds, members }) => members.size === folds);
  const missing = [...gathered.values()].filter(({ folds, members }) => members.size < folds);
  return {
    cells: [...whole, ...complete.map((own) => pooled(own, ids, scores))],
    waiting: missing.reduce((sum, { members }) => sum + members.size, 0),
  };
}

function pooled(
  { experiment, folds, members: byFold }: Gathered,
  ids: VirtualIds,
  scores: (members: readonly StoredCell[]) => Scores,
): PooledCell {
  const members = [...byFold].sort(([one], [other]) => one - other).map(([, cell]) => cell);
  const first = members[0] as StoredCell;
  const posts = members.reduce((sum, cell) => sum + cell.posts, 0);
  const auroc = (figure: 'imageAuroc' | 'textAuroc'): number | null => {
    const known = members.filter((cell) => cell[figure] !== null);
    const total = known.reduce((sum, cell) => sum + cell.posts, 0);
    return total === 0 ? null : known.reduce((sum, cell) => sum + ((cell[figure] as number) * cell.posts) / total, 0);
  };
  const idOf = (kind: 'id' | 'postListId' | 'manifestId'): number =>
    ids.of(
      kind,
      members.map((cell) => cell[kind]),
    );
  const isClean = members.every(({ manifestId }) => manifestId === null);
  return {
    ...first,
    ...scores(members),
    experiment,
    split: `${first.split}, ${folds} folds`,
    id: idOf('id'),
    postListId: idOf('postListId'),
    manifestId: isClean ? null : idOf('manifestId'),
    posts,
    imageAuroc: auroc('imageAuroc'),
    textAuroc: auroc('textAuroc'),
    members,
  };
}

/** Numbers below 0, which no row of a store has: the same for the same parts. */
class VirtualIds {
  private readonly known = new Map<string, number>();

  of(kind: string, parts: readonly (number | null)[]): number {
    const key = JSON.stringify([kind, parts]);
    const id = this.known.get(key) ?? -1 - this.known.size;
    this.known.set(key, id);
    return id;
  }
}
