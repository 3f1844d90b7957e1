import type { SplitMixSeed } from './split-mix.js';

/** How bad a corruption is: 1, the mildest, to 5. */
export type Severity = 1 | 2 | 3 | 4 | 5;

/** All severities, the mildest first. */
export const SEVERITIES = [1, 2, 3, 4, 5] as const satisfies readonly Severity[];

/** A way to make an image or a text worse, by degrees. */
export interface Corruption<Content> {
  /** What a severity means, in the units of {@link rule}. */
  readonly levels: readonly unknown[];
  /** How anyone repeats it, for a manifest's header. */
  readonly rule: string;
  /** A new content; the given one stays as it is. All chance comes from the seed. */
  apply(content: Content, severity: Severity, seed: SplitMixSeed): Content;
}

/** A corruption by its five levels. */
export function graded<Content, Level>(
  levels: readonly [Level, Level, Level, Level, Level],
  apply: (content: Content, level: Level, seed: SplitMixSeed) => Content,
  rule: string,
): Corruption<Content> {
  return { levels, rule, apply: (content, severity, seed) => apply(content, levels[severity - 1] as Level, seed) };
}
