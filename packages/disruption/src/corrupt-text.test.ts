import { createRandom } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { corruptText, countWords, maskedText, maskWords } from './corrupt-text.js';

const SEED = '0123456789abcdef';
const WHITE_SPACE = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;
const wordsOf = (text: string): string[] => text.split(WHITE_SPACE).filter((word) => word !== '');
const maskCount = (text: string): number => wordsOf(text).filter((word) => word === '[MASK]').length;

describe('corruptText', () => {
  it('masks the words of the published test vector and keeps the white space', () => {
    expect(maskWords('so  happy\ttoday 😀 with you', 0.5, SEED)).toBe('so  [MASK]\t[MASK] 😀 with [MASK]');
  });

  it.each([
    ['one word', 'hello', 1],
    ['two words', 'hello world', 1],
    ['three words', 'a b c', 1],
    ['ten words', 'a b c d e f g h i j', 4],
  ])('rounds 0.4 of %s half up, to at least one', (_name, text, expected) => {
    expect(maskCount(maskWords(text, 0.4, SEED))).toBe(expected);
  });

  it('masks the nearest count of words for fractions drawn at will', () => {
    const random = createRandom('counts');
    for (let length = 1; length <= 60; length++) {
      const fraction = random.uniform(0.4, 0.8);
      const text = Array.from({ length }, (_, i) => `w${i}`).join(' ');
      const corrupted = corruptText(text, fraction, random);
      expect(maskCount(corrupted)).toBe(Math.max(1, Math.floor(fraction * length + 0.5)));
      wordsOf(corrupted).forEach((word, i) => expect(['[MASK]', `w${i}`]).toContain(word));
    }
  });

  it('chooses every word equally often', () => {
    const random = createRandom('fair');
    const hits = new Array<number>(10).fill(0);
    for (let round = 0; round < 4000; round++) {
      wordsOf(corruptText('a b c d e f g h i j', 0.5, random)).forEach((word, i) => {
        if (word === '[MASK]') hits[i] = (hits[i] as number) + 1;
      });
    }
    for (const count of hits) expect(Math.abs(count - 2000)).toBeLessThan(5 * Math.sqrt(4000 * 0.25));
  });

  it('masks a superset under a larger fraction', () => {
    const text = Array.from({ length: 30 }, (_, i) => `w${i}`).join(' ');
    const [few, many] = [0.4, 0.8].map((fraction) => wordsOf(maskWords(text, fraction, SEED)));
    few?.forEach((word, i) => word === '[MASK]' && expect(many?.[i]).toBe('[MASK]'));
    expect(maskWords(text, 0, SEED)).toBe(text);
    expect(maskWords(text, 1, SEED)).toBe(maskedText(text));
  });

  it.each([
    ['leading, trailing and mixed white space', '  a \t b\r\n\u00a0c\u3000d\u2028 '],
    ['emoji with joiners and skin tones', '👩‍👩‍👧‍👦 👍🏽 ❤️ ok'],
    ['lone surrogates', '\ud83d alone \ude00 here'],
    ['right to left', 'مرحبا بالعالم שלום עולם'],
    ['marks that are no white space', 'a\u200bb c\ufeffd e\u2060f'],
    ['replacement patterns', '$& $1 $$ $`'],
  ])('keeps every character between masks: %s', (_name, text) => {
    const corrupted = maskWords(text, 0.5, SEED, '$&');
    const spaces = (value: string): string[] => value.match(new RegExp(WHITE_SPACE, 'g')) ?? [];
    expect(spaces(corrupted)).toEqual(spaces(text));
    const [before, after] = [wordsOf(text), wordsOf(corrupted)];
    expect(after).toHaveLength(before.length);
    after.forEach((word, i) => expect(['$&', before[i]]).toContain(word));
  });

  it.each(['', ' ', '\t\n \u3000'])('gives %j back, as it has no word', (text) => {
    expect(maskWords(text, 0.7, SEED)).toBe(text);
    expect(countWords(text)).toBe(0);
  });

  it('refuses fractions out of range', () => {
    expect(() => maskWords('a', 2, SEED)).toThrow('maskWords expected a fraction from 0 to 1, received 2');
  });
});

describe('maskedText', () => {
  it('masks every word, and stands a single mask for none', () => {
    expect(maskedText(' a  b ')).toBe(' [MASK]  [MASK] ');
    expect(maskedText('a b', '<mask>')).toBe('<mask> <mask>');
    expect(maskedText(' ')).toBe('[MASK]');
  });
});
