import { describe, expect, it } from 'vitest';
import { blankImage, fillMissing } from './fill.js';

const size = { width: 3, height: 2 };

describe('stand-ins for a missing modality', () => {
  it('makes a black image', () => {
    expect(blankImage(3, 2)).toEqual({ width: 3, height: 2, data: new Uint8Array(18) });
    expect(() => blankImage(0, 2)).toThrow('blankImage expected a whole, positive width and height, received 0 × 2');
    expect(() => blankImage(1.5, 2)).toThrow('received 1.5 × 2');
  });

  it('fills what is missing and nothing else', () => {
    const image = { width: 1, height: 1, data: Uint8Array.of(1, 2, 3) };
    const whole = { id: 'a', image, text: 'b', label: 1 };
    expect(fillMissing(whole, size)).toBe(whole);
    expect(fillMissing({ ...whole, image: null }, size)).toEqual({ ...whole, image: blankImage(3, 2) });
    expect(fillMissing({ ...whole, text: null }, size)).toEqual({ ...whole, text: '[MASK]' });
    expect(fillMissing({ ...whole, text: null }, size, { mask: '<mask>' }).text).toBe('<mask>');
    expect(fillMissing({ ...whole, text: null }, size, { words: 3 }).text).toBe('[MASK] [MASK] [MASK]');
    expect(fillMissing({ ...whole, text: null }, size, { words: 0 }).text).toBe('[MASK]');
  });
});
