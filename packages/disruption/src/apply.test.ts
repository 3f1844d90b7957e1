import { DataError, type Post } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { applyDisruption, disruptionKey } from './apply.js';
import { blackenPixels, maskWords } from './corrupt.js';
import { fixedStrategies, randomStrategies } from './strategy.js';
import { type DisruptionEntry, planDisruptions, presenceOf } from './plan.js';

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

const corruptedText: DisruptionEntry = {
  id: 'a',
  modality: 'text',
  operation: 'corrupt',
  fraction: 0.5,
  seed: '0123456789abcdef',
};

describe('disruptionKey', () => {
  it('is stable', () => {
    expect(disruptionKey(null)).toBe('intact');
    expect(disruptionKey(undefined)).toBe('intact');
    expect(disruptionKey(corruptedText)).toBe('text:corrupt:v1:0.5:0123456789abcdef');
    expect(disruptionKey({ ...corruptedText, operation: 'discard', fraction: null, seed: null })).toBe('text:discard');
  });

  it('is that of intact content for the modality that is not disrupted', () => {
    expect(disruptionKey(corruptedText, { modality: 'image' })).toBe('intact');
    expect(disruptionKey(corruptedText, { modality: 'text' })).toBe(disruptionKey(corruptedText));
  });

  it('tells masks apart for texts only', () => {
    expect(disruptionKey(corruptedText, { mask: '[MASK]' })).toBe(disruptionKey(corruptedText));
    expect(disruptionKey(corruptedText, { mask: '<mask>' })).not.toBe(disruptionKey(corruptedText));
    const image: DisruptionEntry = { ...corruptedText, modality: 'image' };
    expect(disruptionKey(image, { mask: '<mask>' })).toBe(disruptionKey(image));
  });

  it('differs between any two corruptions', () => {
    const posts = Array.from({ length: 500 }, (_, i) => ({ id: `${i}`, hasImage: true, hasText: true }));
    const corrupting = fixedStrategies().filter((s) => s.kind === 'modality-fixed' && s.setting === 'C');
    const keys = corrupting.flatMap((strategy) => planDisruptions(posts, strategy, 1).map((e) => disruptionKey(e)));
    expect(new Set(keys).size).toBe(1000);
  });
});
