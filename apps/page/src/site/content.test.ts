import { blackenPixels, maskWords } from '@drf/disruption';
import type { RgbImage } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { contentOf, EMPTY_POST, type PostState } from './content.js';

const image: RgbImage = { width: 20, height: 10, data: new Uint8Array(600).fill(200) };
const text = 'one two  three four five six seven eight nine ten';
const post: PostState = { ...EMPTY_POST, image, text };
const corrupted = (share: number, seed = 1) =>
  contentOf({ ...post, fraction: { image: share, text: share }, seed }, '<mask>');
const blackPixels = (share: number): number[] =>
  Array.from(corrupted(share).image?.data ?? []).flatMap((level, i) => (level === 0 && i % 3 === 0 ? [i / 3] : []));

describe('contentOf', () => {
  it('gives an intact post as it is', () => {
    expect(contentOf(post, '<mask>')).toEqual({ image, text });
  });

  it('blackens pixels and masks words, more of them in addition, others by another draw', () => {
    const [some, more] = [blackPixels(0.3), blackPixels(0.6)];
    expect(some.length).toBeGreaterThan(30);
    expect(more).toEqual(expect.arrayContaining(some));
    expect(corrupted(0.4).text?.split('<mask>')).toHaveLength(5);
    expect(corrupted(0.4)).toEqual(corrupted(0.4));
    expect(corrupted(0.4, 2)).not.toEqual(corrupted(0.4));
    const all = corrupted(1);
    expect(all.image).toEqual(blackenPixels(image, 1, '0'.repeat(16)));
    expect(all.text).toBe(maskWords(text, 1, '0'.repeat(16), '<mask>'));
  });

  it('has nothing of what is switched off, missing or blank', () => {
    expect(contentOf({ ...post, isOn: { image: false, text: true } }, '')).toEqual({ image: null, text });
    expect(contentOf({ ...post, text: ' \n' }, '')).toEqual({ image, text: null });
    expect(contentOf(EMPTY_POST, '')).toEqual({ image: null, text: null });
  });
});
