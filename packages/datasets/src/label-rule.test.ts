import { describe, expect, it } from 'vitest';
import { applyLabelRule, combineLabels, majorityLabel, type Annotation, type Sentiment } from './label-rule.js';

/** "np" → text neutral, image positive. */
function annotations(...codes: string[]): Annotation[] {
  const names: Record<string, Sentiment> = { p: 'positive', n: 'neutral', x: 'negative' };
  return codes.map((code) => ({ text: names[code[0] as string]!, image: names[code[1] as string]! }));
}

describe('the label rule', () => {
  it.each([
    ['positive', 'positive', 'positive'],
    ['neutral', 'neutral', 'neutral'],
    ['negative', 'negative', 'negative'],
    ['neutral', 'positive', 'positive'],
    ['positive', 'neutral', 'positive'],
    ['neutral', 'negative', 'negative'],
    ['negative', 'neutral', 'negative'],
    ['positive', 'negative', null],
    ['negative', 'positive', null],
  ] as const)('combines text %s and image %s to %s', (text, image, expected) => {
    expect(combineLabels(text, image)).toBe(expected);
  });

  it('takes the label that two of three annotators chose', () => {
    expect(majorityLabel(['positive', 'negative', 'positive'])).toBe('positive');
    expect(majorityLabel(['neutral', 'neutral', 'neutral'])).toBe('neutral');
    expect(majorityLabel(['positive', 'negative', 'neutral'])).toBeNull();
    expect(majorityLabel(['positive', 'negative'])).toBeNull();
  });

  it.each([
    // text: p p x → positive; image: n n p → neutral
    [['pn', 'pn', 'xp'], 'positive'],
    // text: n x n → neutral; image: x x n → negative
    [['nx', 'xx', 'nn'], 'negative'],
    // text: p p p → positive; image: x x p → negative
    [['px', 'px', 'pp'], 'conflicting labels'],
    // text: p n x → no majority, although every image label is positive
    [['pp', 'np', 'xp'], 'no majority label'],
    // image: p n x → no majority
    [['np', 'nn', 'nx'], 'no majority label'],
    // the majority is taken per modality: no annotator chose neutral for both, and yet both majorities are neutral
    [['np', 'nn', 'pn'], 'neutral'],
    [['np'], 'positive'],
  ] as const)('rules %j as %s', (codes, expected) => {
    expect(applyLabelRule(annotations(...codes))).toBe(expected);
  });
});
