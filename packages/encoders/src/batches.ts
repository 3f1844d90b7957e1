import { type DynamicAxisName, floatData, hostTensor, type HostTensor, type Modality } from '@drf/tensor';
import type { TokenFeatures } from './contract.js';

/**
 * Cuts a batch into pieces whose sizes are powers of two, at most `largest`: 13 with largest 8 gives 8, 4, 1. A
 * compiled engine makes a program for every input shape, so few sizes must do; splitting, unlike padding, wastes
 * nothing.
 */
export function splitBatch<Item>(items: readonly Item[], largest: number): Item[][] {
  const pieces: Item[][] = [];
  let start = 0;
  let size = largest;
  while (start < items.length) {
    while (size > items.length - start) size /= 2;
    pieces.push(items.slice(start, start + size));
    start += size;
  }
  return pieces;
}

/** Contents that a transformer takes at once; twice as many gain nothing. */
export const LARGEST_BATCH = 8;

/** Batches under way at once: while one is computed, the next one is prepared. */
export const PIECES_AHEAD = 2;

/** Axes of inputs of such an encoder whose sizes differ from batch to batch. */
export function dynamicAxesOf({ modality }: { readonly modality: Modality }): readonly DynamicAxisName[] {
  return modality === 'text' ? ['batch', 'length'] : ['batch'];
}

/**
 * Cuts items into batches of {@link LARGEST_BATCH} at most, of which none is larger than another by more than one, or, where
 * each size costs a graph, by {@link splitBatch} into few sizes.
 * @param atOnce how many batches are computed at once; where there are enough items, the number of batches is a multiple of it
 */
export function cutBatches<Item>(items: readonly Item[], atOnce = 1, fewSizes = false): Item[][] {
  if (fewSizes) return splitBatch(items, LARGEST_BATCH);
  const wanted = Math.ceil(items.length / LARGEST_BATCH / atOnce) * atOnce;
  const count = Math.min(items.length, wanted);
  const startOf = (batch: number): number => Math.floor((batch * items.length) / count);
  return Array.from({ length: count }, (_, batch) => items.slice(startOf(batch), startOf(batch + 1)));
}

/** A float32 tensor [rows, …shape] of zeros, to be filled with {@link copyRows}. */
export function emptyRows(rows: number, ...shape: number[]): HostTensor {
  return hostTensor(new Float32Array(shape.reduce((product, size) => product * size, rows)), [rows, ...shape]);
}

/** Copies the rows of `source` to the named rows of `target`; a longer target row keeps its rest. */
export function copyRows(target: HostTensor, source: HostTensor, targetRows: readonly number[]): void {
  const to = floatData(target);
  const from = floatData(source);
  const targetSize = to.length / (target.shape[0] as number);
  const sourceSize = from.length / (source.shape[0] as number);
  targetRows.forEach((row, i) => to.set(from.subarray(i * sourceSize, (i + 1) * sourceSize), row * targetSize));
}

export interface Widths {
  readonly outputDim: number;
  readonly tokenDim?: number;
}

/** Widths of what a model gave for a first content. */
export function outputWidths(features: HostTensor, tokens: HostTensor | undefined): Widths {
  const outputDim = features.shape[1] as number;
  return tokens === undefined ? { outputDim } : { outputDim, tokenDim: tokens.shape[2] };
}

function range(start: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => start + i);
}

/** Encodes contents batch by batch into one tensor [contents, outputDim]. */
export async function inBatches<Content>(
  contents: readonly Content[],
  size: number,
  outputDim: number,
  encode: (batch: readonly Content[]) => Promise<HostTensor>,
): Promise<HostTensor> {
  const rows = emptyRows(contents.length, outputDim);
  for (let start = 0; start < contents.length; start += size) {
    const batch = contents.slice(start, start + size);
    copyRows(rows, await encode(batch), range(start, batch.length));
  }
  return rows;
}

/** Joins token outputs of batches, padding each with zeros to the longest. Pieces are those of all parts or none. */
export function joinTokens(parts: readonly TokenFeatures[], tokenDim: number): TokenFeatures {
  const count = parts.reduce((sum, { mask }) => sum + (mask.shape[0] as number), 0);
  const length = Math.max(0, ...parts.map(({ mask }) => mask.shape[1] as number));
  const tokens = emptyRows(count, length, tokenDim);
  const mask = emptyRows(count, length);
  const pieces = hostTensor(new Int32Array(count * length), [count, length]);
  let start = 0;
  for (const part of parts) {
    const rows = range(start, part.mask.shape[0] as number);
    copyRows(tokens, part.tokens, rows);
    copyRows(mask, part.mask, rows);
    rows.forEach((row, i) => {
      const own = part.mask.shape[1] as number;
      pieces.data.set(part.pieces?.data.subarray(i * own, (i + 1) * own) ?? [], row * length);
    });
    start += rows.length;
  }
  return parts.some((part) => part.pieces !== undefined) ? { tokens, mask, pieces } : { tokens, mask };
}
