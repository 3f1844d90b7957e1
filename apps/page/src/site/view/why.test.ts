import { describe, expect, it } from 'vitest';
import type { Explanation } from '@drf/judge/explain';
import { summaryOf } from './why.js';

const judgment: Explanation['judgment'] = {
  label: 'good',
  probabilities: { good: 0.7, bad: 0.3 },
  quality: { image: null, text: null },
  logDensity: { image: null, text: null },
  intact: { image: null, text: null },
  pairWeights: null,
  recovered: null,
  unfamiliar: null,
};
const nothing = { image: null, text: null };
const explanation: Explanation = { label: 'good', judgment, words: [], regions: [], modalities: nothing, notes: [] };

describe('summaryOf', () => {
  it('says what image and text do as wholes, where both are there', () => {
    const change = (probability: number) => ({ probability, logOdds: 0 });
    const modalities = { image: change(0.123), text: change(-0.04) };
    expect(summaryOf({ ...explanation, modalities })).toBe(
      'What speaks for “good” and what against it, in points of its probability. Left out as wholes: the whole image +12.3, the whole text −4.0.',
    );
    expect(summaryOf(explanation)).toBe('What speaks for “good” and what against it, in points of its probability.');
  });
});
