import { describe, expect, it } from 'vitest';
import { MODALITIES, otherModality } from './index.js';

describe('modalities', () => {
  it('are two, each the other one of the other', () => {
    expect(MODALITIES).toEqual(['image', 'text']);
    expect(MODALITIES.map(otherModality)).toEqual(['text', 'image']);
  });
});
