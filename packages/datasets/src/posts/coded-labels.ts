import { EMOTIONS } from '../folders/tumemo.js';
import { SENTIMENTS } from '../label-rule.js';

/** Highest code that a label has. */
export const HIGHEST_CODE = EMOTIONS.length - 1;

/**
 * What the codes of CLMLF's `emotion_label` stand for: MVSA's sentiments (0 positive, 1 neutral, 2 negative), or in
 * splits of TumEmo its emotions in alphabetical order (0 angry to 6 sad).
 * @param codes all of a file
 * @param classes of the data set that they are about, where it is known; they decide, else the highest code does
 */
export function codedNames(codes: Iterable<number>, classes: readonly string[] = []): readonly string[] {
  for (const names of [SENTIMENTS, EMOTIONS]) if (names.some((name) => classes.includes(name))) return names;
  for (const code of codes) if (code >= SENTIMENTS.length) return EMOTIONS;
  return SENTIMENTS;
}
