import { floatData, hostTensor, type HostTensor } from '@drf/tensor';

/** Bicubic as PyTorch has it (a = −0.75, four neighbors), or averaging over more of them where the map shrinks (a = −0.5). */
export type ResizeFilter = 'bicubic' | 'bicubic-antialiased';

/** How many places a map has. */
interface Grid {
  readonly rows: number;
  readonly columns: number;
}

/** Keys's cubic at a distance. Source: Keys, "Cubic convolution interpolation for digital image processing" (1981). */
function cubic(distance: number, a: number): number {
  const x = Math.abs(distance);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((x - 5) * x + 8) * x * a - 4 * a : 0;
}

/** Places of the source and their weights, of one place of the target; places beyond the edge are those at the edge. */
function neighbors(target: number, from: number, to: number, filter: ResizeFilter): (readonly [number, number])[] {
  const scale = from / to;
  if (filter === 'bicubic') {
    const center = (target + 0.5) * scale - 0.5;
    const first = Math.floor(center) - 1;
    return [0, 1, 2, 3].map((i) => {
      const place = first + i;
      return [Math.min(Math.max(place, 0), from - 1), cubic(center - place, -0.75)] as const;
    });
  }
  const stretch = Math.max(scale, 1);
  const center = (target + 0.5) * scale;
  const start = Math.max(Math.trunc(center - 2 * stretch + 0.5), 0);
  const end = Math.min(Math.trunc(center + 2 * stretch + 0.5), from);
  const raw = Array.from({ length: end - start }, (_, i) => cubic((start + i - center + 0.5) / stretch, -0.5));
  const sum = raw.reduce((total, weight) => total + weight, 0);
  return raw.map((weight, i) => [start + i, weight / sum] as const);
}

/** Scales one axis of row-major numbers [outer, from, inner]. */
function resizeAxis(
  data: Float32Array,
  [outer, from, inner]: readonly [number, number, number],
  to: number,
  filter: ResizeFilter,
): Float32Array {
  const result = new Float32Array(outer * to * inner);
  const places = Array.from({ length: to }, (_, target) => neighbors(target, from, to, filter));
  for (let row = 0; row < outer; row++) {
    places.forEach((each, target) => {
      for (let i = 0; i < inner; i++) {
        let sum = 0;
        for (const [place, weight] of each) sum += weight * (data[(row * from + place) * inner + i] as number);
        result[(row * to + target) * inner + i] = sum;
      }
    });
  }
  return result;
}

/**
 * A table of positions [kept + rows · columns, dim] for a map of another size, as `torch.nn.functional.interpolate` in
 * mode `bicubic` without aligned corners scales it. The first rows, of special tokens, stay.
 */
export function resizeMap(table: HostTensor, kept: number, from: Grid, to: Grid, filter: ResizeFilter): HostTensor {
  const dim = table.shape[1] as number;
  const data = floatData(table);
  const wide = resizeAxis(data.slice(kept * dim), [from.rows, from.columns, dim], to.columns, filter);
  const map = resizeAxis(wide, [1, from.rows, to.columns * dim], to.rows, filter);
  const result = new Float32Array(kept * dim + map.length);
  result.set(data.subarray(0, kept * dim));
  result.set(map, kept * dim);
  return hostTensor(result, [kept + to.rows * to.columns, dim]);
}
