/** Five numbers about many. */
export interface NumberSummary {
  readonly count: number;
  readonly minimum: number;
  readonly median: number;
  readonly mean: number;
  readonly maximum: number;
}

/** Summarizes numbers, or `null` when there are none. The median of an even count is the mean of the middle two. */
export function summarize(values: readonly number[]): NumberSummary | null {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  const at = (index: number): number => sorted[index] as number;
  const middle = (sorted.length - 1) / 2;
  return {
    count: sorted.length,
    minimum: at(0),
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    mean: sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
    maximum: at(sorted.length - 1),
  };
}

/** How often each name occurs, most frequent first. */
export function countNames(names: readonly string[]): Readonly<Record<string, number>> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Object.fromEntries([...counts].sort((a, b) => b[1] - a[1]));
}
