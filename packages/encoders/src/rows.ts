import { floatData, hostTensor, type HostTensor } from '@drf/tensor';

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
