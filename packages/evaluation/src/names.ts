import { SPLIT_NAMES } from '@drf/datasets/names';

/** Ways to lay features out in the plane; the paper's Figure 6 is t-SNE. */
export const PROJECTIONS = ['t-sne', 'umap'] as const;
/** One of {@link PROJECTIONS}. */
export type Projection = (typeof PROJECTIONS)[number];

/** What `--split` takes; `all` is every post of the data set. */
export const SPLIT_CHOICES = [...SPLIT_NAMES, 'all'] as const;
export type SplitChoice = (typeof SPLIT_CHOICES)[number];

/**
 * The paper's evaluation by its tables, all of it, and all of it at a size that shows that everything works; and beyond
 * the paper, corruptions by severity and missing rates.
 */
export const GRID_NAMES = [
  'table-1',
  'table-3',
  'table-4',
  'figure-5',
  'all',
  'smoke',
  'corruptions',
  'missing-rates',
] as const;
export type GridName = (typeof GRID_NAMES)[number];

/**
 * What may stand behind a method's name: with simulated disruptions in training; with discriminants in the answer, and
 * simulated disruptions; without discriminants, which `drf` has by default.
 */
export const VARIANTS = ['+simulation', '+discriminants', '-discriminants'] as const;
/** One of {@link VARIANTS}. */
export type Variant = (typeof VARIANTS)[number];

/** A method's name and its variant: `clmlf+simulation` is clmlf with simulation. */
export function splitVariant(name: string): { readonly method: string; readonly variant: Variant | undefined } {
  const variant = VARIANTS.find((suffix) => name.endsWith(suffix));
  return { method: name.slice(0, name.length - (variant?.length ?? 0)), variant };
}

/** Wrongly judged posts that a report shows, unless it is told otherwise. */
export const SHOWN_POSTS = 24;
