import { PAIRS } from '@drf/fusion';
import type { Judgment } from '@drf/predict';

/** A line of the output: a judged post, with its place in the input. */
export interface PredictionRow extends Judgment {
  readonly row: number;
  readonly id: string;
}

/** A line of the side file: a row that could not be judged, and why. */
export interface RejectedRow {
  readonly row: number;
  readonly id: string;
  readonly reason: string;
  readonly detail: string;
}

/** A cell of a flat table. */
export type FlatCell = string | number | boolean | null;

/** Columns of the flat formats (CSV, Parquet), in their order. */
export function flatColumns(classes: readonly string[]): readonly string[] {
  const fixed = ['row', 'id', 'label', 'recovered', 'unfamiliar', 'quality_image', 'quality_text'];
  return [...fixed, ...PAIRS.map((pair) => `weight_${pair}`), ...classes.map((name) => `probability_${name}`)];
}

/** A row as cells of {@link flatColumns}. */
export function flatCells(row: PredictionRow, classes: readonly string[]): readonly FlatCell[] {
  const { quality, pairWeights, probabilities } = row;
  return [
    row.row,
    row.id,
    row.label,
    row.recovered,
    row.unfamiliar,
    quality.image,
    quality.text,
    ...PAIRS.map((pair) => pairWeights?.[pair] ?? null),
    ...classes.map((name) => probabilities[name] ?? null),
  ];
}
