import type { Random } from '@drf/tensor';

/**
 * Patterns of short posts. `w` is a word that carries the sentiment (or none), `t` a topic, `n` a number. Every
 * sentiment uses every pattern, so that only the words tell.
 */
export const PATTERNS: readonly string[] = [
  'the {t} was {w} and {w}',
  '{w}, {w}, {w}. that is the {t} for you',
  'my {t} in two words: {w} {w}',
  'so this {t} is {w} #{w}',
  '{t} again today #{w} #{w}',
  'RT @user{n}: what a {w} {t}',
  'one {w} {t} after another, and all of it {w}',
  'on the way to the {t} #{w} #{t} #{w}',
  '@user{n} the whole {t} seems {w}, even {w}',
  'day {n}: {w} {t}, {w} {t}',
  'they call the {t} {w}. to me it is {w}',
  '{w} {t} this morning, more {w} by noon',
];

export interface SentenceWords {
  readonly words: readonly string[];
  readonly topics: readonly string[];
}

/** Fills a pattern with drawn words. */
export function composeSentence({ words, topics }: SentenceWords, random: Random): string {
  const pick = (items: readonly string[]): string => items[random.integer(items.length)] as string;
  return pick(PATTERNS).replaceAll(/\{([wtn])\}/g, (_, slot: string) => {
    if (slot === 'n') return String(1 + random.integer(99));
    return pick(slot === 'w' ? words : topics);
  });
}
