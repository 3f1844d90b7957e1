import { createRandom, type RgbImage, ShapeMismatchError } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { blackenPixels, corruptImage, corruptText, countWords, maskedText, maskWords } from './corrupt.js';

const SEED = '0123456789abcdef';

function brightImage(width: number, height: number): RgbImage {
  return { width, height, data: Uint8Array.from({ length: width * height * 3 }, (_, i) => 1 + (i % 255)) };
}

function blackPixels(image: RgbImage): boolean[] {
  return Array.from({ length: image.width * image.height }, (_, i) =>
    [0, 1, 2].every((channel) => image.data[3 * i + channel] === 0),
  );
}

describe('corruptImage', () => {
  it('blackens the pixels of the published test vector', () => {
    const black = blackPixels(blackenPixels(brightImage(8, 2), 0.5, SEED));
    expect(black.map(Number).join('')).toBe('0110011011111010');
  });

  it('blackens all three channels or none, and leaves its input alone', () => {
    const image = brightImage(31, 17);
    const before = Uint8Array.from(image.data);
    const corrupted = corruptImage(image, 0.6, createRandom(1));
    const black = blackPixels(corrupted);
    for (let i = 0; i < corrupted.data.length; i++) {
      expect(corrupted.data[i]).toBe(black[Math.floor(i / 3)] ? 0 : before[i]);
    }
    expect(image.data).toEqual(before);
    expect(corrupted.data).not.toBe(image.data);
  });

  it('copies a view into a pool, as a decoder may hand it over', () => {
    const pool = Buffer.alloc(20 * 20 * 3 + 8, 77);
    const image = { width: 20, height: 20, data: pool.subarray(8) };
    const corrupted = blackenPixels(image, 0.5, SEED);
    expect(pool.every((byte) => byte === 77)).toBe(true);
    expect(corrupted.data).toEqual(blackenPixels({ ...image, data: new Uint8Array(1200).fill(77) }, 0.5, SEED).data);
  });

  it('depends on the stream, and repeats under the same one', () => {
    const image = brightImage(16, 16);
    const once = corruptImage(image, 0.5, createRandom(3));
    expect(corruptImage(image, 0.5, createRandom(3))).toEqual(once);
    expect(corruptImage(image, 0.5, createRandom(4))).not.toEqual(once);
  });

  it('blackens the fraction on average, independently: mean and variance are those of a binomial', () => {
    const [pixels, images, fraction] = [64 * 64, 300, 0.55];
    const random = createRandom('statistics');
    const counts = Array.from(
      { length: images },
      () => blackPixels(corruptImage(brightImage(64, 64), fraction, random)).filter(Boolean).length,
    );
    const mean = counts.reduce((sum, count) => sum + count, 0) / images;
    const variance = counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / (images - 1);
    const expected = pixels * fraction * (1 - fraction);
    expect(Math.abs(mean - pixels * fraction)).toBeLessThan(4 * Math.sqrt(expected / images));
    expect(variance / expected).toBeGreaterThan(0.7); // an exact count of pixels would have variance 0
    expect(variance / expected).toBeLessThan(1.35);
  });

  it('blackens a superset under a larger fraction', () => {
    const image = brightImage(40, 40);
    const [few, many] = [0.4, 0.8].map((fraction) => blackPixels(blackenPixels(image, fraction, SEED)));
    expect(few?.every((black, i) => !black || many?.[i])).toBe(true);
    expect(blackPixels(blackenPixels(image, 0, SEED)).some(Boolean)).toBe(false);
    expect(blackPixels(blackenPixels(image, 1, SEED)).every(Boolean)).toBe(true);
  });

  it('refuses bytes that do not fill the size, and fractions out of range', () => {
    const rgba = { width: 2, height: 2, data: new Uint8Array(16) };
    expect(() => blackenPixels(rgba, 0.5, SEED)).toThrow(ShapeMismatchError);
    expect(() => blackenPixels(rgba, 0.5, SEED)).toThrow(
      'blackenPixels expected [2, 2, 3] = 12 bytes, received 16 bytes; decode the image to 8-bit RGB',
    );
    for (const fraction of [Number.NaN, -0.1, 1.1]) {
      expect(() => blackenPixels(brightImage(1, 1), fraction, SEED)).toThrow('expected a fraction from 0 to 1');
    }
  });
});

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
