/** Which part of a cross-validation. */
export interface FoldPlace {
  /** From 1. */
  readonly fold: number;
  readonly folds: number;
}

/** The name under which a store has one fold of an experiment: `mvsa-s-fold2of5`. */
export function foldName(experiment: string, { fold, folds }: FoldPlace): string {
  return `${experiment}-fold${fold}of${folds}`;
}

/** The reverse of {@link foldName}; null for an experiment without folds. */
export function parseFoldName(name: string): { readonly experiment: string; readonly place: FoldPlace } | null {
  const [, experiment, fold, folds] = /^(.*)-fold(\d+)of(\d+)$/s.exec(name) ?? [];
  if (experiment === undefined) return null;
  return { experiment, place: { fold: Number(fold), folds: Number(folds) } };
}
