import type { SplitName } from '@drf/datasets';
import { PAIRS } from '@drf/tensor';
import type { Judgment } from '@drf/judge';

/** A value of the input as JSON has it. */
type InputValue = string | number | boolean | null | readonly unknown[] | { readonly [name: string]: unknown };

/** A line of the output: a judged post, with its place in the input and what the input says of it. */
export interface PredictionRow extends Judgment {
  /** The input's file, where there are several. */
  readonly file?: string;
  /** Place in the input, or in its file, from 1. */
  readonly row: number;
  /** Where the row stands in its file; null in a folder. */
  readonly line: number | null;
  readonly id: string;
  /** The split of the run that the same post was in: what a run was trained on, it judges better than what is new. */
  readonly seen: SplitName | null;
  /** The input's own columns, by their own names. */
  readonly input: Readonly<Record<string, InputValue>>;
}

/** A line of the side file: a row that could not be judged, and why. */
export interface RejectedRow {
  /** As of a {@link PredictionRow}. */
  readonly file?: string;
  readonly row: number;
  readonly id: string;
  readonly reason: string;
  readonly detail: string;
}

/** A row of the input, dealt with. */
export type JudgedRow = PredictionRow | RejectedRow;

export function isRejected(row: JudgedRow): row is RejectedRow {
  return 'reason' in row;
}

/** A cell of a flat table. */
export type FlatCell = string | number | boolean | null;

/** Columns of the flat formats (CSV, Parquet), in their order. */
export interface FlatColumns {
  /** Names of all columns. */
  readonly names: readonly string[];
  /** The input's own columns by the names that they have here; null: all of them in one, as JSON. */
  readonly own: ReadonlyMap<string, string | null>;
}

const PLACE = ['row', 'line', 'id', 'seen'] as const;

/**
 * The input's own columns stand between a row's place and its judgment. One that is called like a column of ours gets
 * `input_` before its name.
 * @param input names of the input's own columns; null where they are not known: they then share one, `input`, as JSON
 */
export function flatColumns(
  classes: readonly string[],
  input: Iterable<string> | null,
  { withFile = false }: { readonly withFile?: boolean } = {},
): FlatColumns {
  const place = withFile ? ['file', ...PLACE] : PLACE;
  const fixed = ['label', 'recovered', 'unfamiliar', 'quality_image', 'quality_text', 'intact_image', 'intact_text'];
  const judged = [...fixed, ...PAIRS.map((pair) => `weight_${pair}`), ...classes.map((name) => `probability_${name}`)];
  const taken = new Set<string>([...place, ...judged]);
  const own = new Map<string, string | null>();
  for (const name of input ?? [null]) {
    let here = name ?? 'input';
    while (taken.has(here)) here = `input_${here}`;
    taken.add(here);
    own.set(here, name);
  }
  return { names: [...place, ...own.keys(), ...judged], own };
}

/** A row as cells of {@link flatColumns}. */
export function flatCells(
  row: PredictionRow,
  classes: readonly string[],
  { names, own }: FlatColumns,
): readonly FlatCell[] {
  const { quality, intact, pairWeights, probabilities } = row;
  return [
    ...(names[0] === 'file' ? [row.file ?? null] : []),
    row.row,
    row.line,
    row.id,
    row.seen,
    ...Array.from(own.values(), (name) => flatValue(name === null ? row.input : row.input[name])),
    row.label,
    row.recovered,
    row.unfamiliar,
    quality.image,
    quality.text,
    intact.image,
    intact.text,
    ...PAIRS.map((pair) => pairWeights?.[pair] ?? null),
    ...classes.map((name) => probabilities[name] ?? null),
  ];
}

function flatValue(value: InputValue | undefined): FlatCell {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : (value ?? null);
}

/** Cells of the input as JSON has them; bytes, such as those of an image, are left out. */
export function inputValues(own: Readonly<Record<string, unknown>>): PredictionRow['input'] {
  return Object.fromEntries(
    Object.entries(own).flatMap(([name, value]) => (value instanceof Uint8Array ? [] : [[name, inputValue(value)]])),
  );
}

function inputValue(value: unknown): InputValue {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Date) return value.toISOString();
  return (value ?? null) as InputValue;
}
