import type { DisruptionEntry } from '@drf/disruption';
import { describe, expect, it } from 'vitest';
import type { Modality } from '@drf/tensor';
import { corruptionAuroc, countDisruptions, type QualityCell } from './quality.js';

const corrupt = (id: string, modality: Modality): DisruptionEntry => ({
  id,
  modality,
  operation: 'corrupt',
  fraction: 0.5,
  seed: '0123456789abcdef',
});
const discard = (id: string, modality: Modality): DisruptionEntry => ({
  id,
  modality,
  operation: 'discard',
  fraction: null,
  seed: null,
});
const cell = (
  image: number[],
  text: number[],
  entries: DisruptionEntry[] = [],
  imageAvailable = image.map(() => 1),
): QualityCell => ({
  ids: image.map((_, place) => String(place)),
  available: { image: Float32Array.from(imageAvailable), text: Float32Array.from(text, () => 1) },
  entries,
  quality: { image: Float32Array.from(image), text: Float32Array.from(text) },
});

describe('corruptionAuroc', () => {
  const clean = cell([-1, -2, -3, -4], [-1, -1, -1, -1]);

  it('finds the corrupted image among the images of a modality-random cell', () => {
    // corrupted 0 and 1 score 9 and 2, the others 3 and 4: of four pairs, two in the right order
    const random = cell([-9, -2, -3, -4], [-5, -1, -1, -1], [corrupt('0', 'image'), corrupt('1', 'image')]);
    expect(corruptionAuroc(random, clean, 'random')).toEqual({ image: 0.5, text: null });
  });

  it('leaves discarded modalities out: they have no quality', () => {
    const entries = [corrupt('0', 'image'), discard('1', 'image')];
    const random = cell([-9, -1000, -3, -4], [-1, -1, -1, -1], entries, [1, 0, 1, 1]);
    expect(corruptionAuroc(random, clean, 'random')?.image).toBe(1);
  });

  it('compares a modality-fixed cell with the same posts in the clean cell', () => {
    // corrupted: 2.5 and 1.5; the same posts clean: 1 and 2; the posts 2 and 3 do not enter
    const fixed = cell([-2.5, -1.5, -99, -99], [-1, -1, -1, -1], [corrupt('0', 'image'), corrupt('1', 'image')]);
    expect(corruptionAuroc(fixed, clean, 'fixed')).toEqual({ image: 0.75, text: null });
  });

  it('counts a tie half, as where corruption changes nothing', () => {
    const entries = ['0', '1', '2', '3'].map((id) => corrupt(id, 'text'));
    expect(corruptionAuroc(cell([-1, -2, -3, -4], [-1, -1, -1, -1], entries), clean, 'fixed')?.text).toBe(0.5);
  });

  it('says nothing where the method estimates no quality', () => {
    expect(corruptionAuroc({ ...clean, quality: { image: null, text: null } }, clean, 'random')).toBeNull();
    expect(corruptionAuroc(clean, { ...clean, quality: { image: null, text: null } }, 'random')).toBeNull();
    const { text } = clean.quality;
    expect(corruptionAuroc({ ...clean, quality: { image: null, text } }, clean, 'random')?.image).toBeNull();
  });
});

it('counts what was done by modality', () => {
  const entries = [corrupt('0', 'image'), discard('1', 'image'), discard('2', 'image'), corrupt('3', 'text')];
  expect(countDisruptions(entries)).toEqual({
    image: { corrupted: 1, discarded: 2 },
    text: { corrupted: 1, discarded: 0 },
  });
});
