import { DataError, type Post } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { applyDisruption } from './apply.js';
import { blackenPixels } from './corrupt-image.js';
import { maskWords } from './corrupt-text.js';
import { fixedStrategies, randomStrategies } from './paper-strategies.js';
import { planDisruptions, presenceOf, type DisruptionEntry } from './plan.js';

const SEED = '0123456789abcdef';
const image = { width: 8, height: 6, data: new Uint8Array(144).fill(200) };
const post: Post = { id: 'a', image, text: 'what a fine day it is', label: 2 };
const corrupt = (modality: 'image' | 'text'): DisruptionEntry => ({
  id: 'a',
  modality,
  operation: 'corrupt',
  fraction: 0.5,
  seed: SEED,
});
const discard = (modality: 'image' | 'text'): DisruptionEntry => ({
  id: 'a',
  modality,
  operation: 'discard',
  fraction: null,
  seed: null,
});

describe('applyDisruption', () => {
  it('corrupts or discards the named modality and shares the other', () => {
    expect(applyDisruption(post, corrupt('image'))).toEqual({ ...post, image: blackenPixels(image, 0.5, SEED) });
    expect(applyDisruption(post, corrupt('text'))).toEqual({ ...post, text: maskWords(post.text!, 0.5, SEED) });
    expect(applyDisruption(post, corrupt('text')).image).toBe(image);
    expect(applyDisruption(post, discard('image'))).toEqual({ ...post, image: null });
    expect(applyDisruption(post, discard('text'))).toEqual({ ...post, text: null });
    expect(image.data.every((byte) => byte === 200)).toBe(true);
  });

  it('gives an undisrupted post back', () => {
    expect(applyDisruption(post, null)).toBe(post);
    expect(applyDisruption(post, undefined)).toBe(post);
  });

  it('writes the mask it is told', () => {
    expect(applyDisruption(post, corrupt('text'), { mask: '<mask>' }).text).toBe(
      maskWords(post.text!, 0.5, SEED, '<mask>'),
    );
  });

  it('leaves one modality of every post intact, whatever the post has and the strategy says', () => {
    const content = [null, image];
    const texts = [null, '', ' ', 'one', 'two words'];
    for (const strategy of [...fixedStrategies(), ...randomStrategies()]) {
      for (let i = 0; i < 20; i++) {
        for (const [kept, text] of content.flatMap((kept) => texts.map((text) => [kept, text] as const))) {
          const before: Post = { id: String(i), image: kept, text, label: 0 };
          const after = applyDisruption(before, planDisruptions([presenceOf(before)], strategy, 1)[0]);
          const intact = [after.image === before.image, after.text === before.text];
          if (kept !== null && text?.trim()) expect(intact).toContain(true);
          else expect(after).toBe(before);
        }
      }
    }
  });

  it('refuses an entry that is not of this post', () => {
    const remedy = 'apply the manifest to the posts that it was made for';
    expect(() => applyDisruption({ ...post, id: 'b' }, corrupt('image'))).toThrow(DataError);
    expect(() => applyDisruption({ ...post, id: 'b' }, corrupt('image'))).toThrow(
      `Disruption of post "a" expected that post, received post "b"; ${remedy}`,
    );
    expect(() => applyDisruption({ ...post, text: null }, discard('image'))).toThrow(
      'expected a post whose text stays intact, received one without text',
    );
    expect(() => applyDisruption({ ...post, image: null }, corrupt('image'))).toThrow(
      'expected a post with image, received one without',
    );
    expect(() => applyDisruption(post, { ...corrupt('image'), seed: null })).toThrow(
      'expected a fraction and a seed to corrupt by',
    );
  });

  it('refuses an image of another size than the manifest was made for', () => {
    expect(() => applyDisruption(post, corrupt('image'), { imageSize: { width: 224, height: 224 } })).toThrow(
      'Disruption of post "a" expected an image of 224 × 224, received 8 × 6',
    );
    expect(applyDisruption(post, corrupt('image'), { imageSize: { width: 8, height: 6 } })).toEqual(
      applyDisruption(post, corrupt('image'), { imageSize: null }),
    );
  });
});
