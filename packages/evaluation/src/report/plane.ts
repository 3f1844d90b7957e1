import { TSNE, UMAP } from '@saehrimnir/druidjs';
import { createRandom } from '@drf/tensor';

/** Ways to lay features out in the plane; the paper's Figure 6 is t-SNE. */
export const PROJECTIONS = ['t-sne', 'umap'] as const;
/** One of {@link PROJECTIONS}. */
export type Projection = (typeof PROJECTIONS)[number];

/** t-SNE's, lowered for few rows (van der Maaten and Hinton 2008 advise 5 to 50; it must stay well below the rows). */
const PERPLEXITY = 30;
/** UMAP's, which needs more rows than neighbors. */
const NEIGHBORS = 15;

/**
 * Rows as points in the plane, the same from the same rows and seed. Only nearness means something.
 * @param rows at least 8, of one width
 * @returns a point for each row; null where the method finds no layout, as among rows of which most are equal
 */
export function projectToPlane(
  rows: readonly Float32Array[],
  projection: Projection,
  seed: number,
): [number, number][] | null {
  const count = rows.length;
  const data = rows.map((row) => [...row]);
  const options = { d: 2, seed: createRandom(seed).fork(projection).uint32() };
  const points =
    projection === 't-sne'
      ? TSNE.transform(data, { ...options, perplexity: Math.min(PERPLEXITY, Math.floor((count - 1) / 3)) })
      : UMAP.transform(data, { ...options, n_neighbors: Math.min(NEIGHBORS, count - 1) });
  const plane = points.map(([x = Number.NaN, y = Number.NaN]): [number, number] => [x, y]);
  return plane.every((point) => point.every(Number.isFinite)) ? plane : null;
}
