import { describe, expect, it } from 'vitest';
import { disruptionKey } from './key.js';
import { fixedStrategies } from './paper-strategies.js';
import { planDisruptions, type DisruptionEntry } from './plan.js';

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
