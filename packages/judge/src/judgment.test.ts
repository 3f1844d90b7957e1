import { DataError } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import type { Calibration } from './calibration.js';
import { combineJudgments, describeState, describeVerdict, looksCorrupted, type RawVerdict } from './judgment.js';

const image = { width: 1, height: 1, data: new Uint8Array(3) };
const classes = ['positive', 'neutral', 'negative'];
const raw: RawVerdict = {
  probabilities: [0.64, 0.04, 0.32],
  logDensity: { image: -1, text: -3 },
  intact: { image: 0.875, text: 0.03 },
  pairWeights: [0.2, 0.1, 0.1],
};
const quantiles = Array.from({ length: 201 }, (_, i) => -2 + i / 100); // −2 … 0, evenly
const calibration: Calibration = {
  format: 'drf-calibration-2',
  checkpoint: 'step-1.safetensors',
  temperature: { temperature: 2, before: 1, after: 0.9, posts: 100, basis: 'fitted' },
  quality: { image: quantiles, text: quantiles, measuredOn: 'validation', posts: { image: 100, text: 100 } },
};

describe('describeVerdict', () => {
  it('scales probabilities by the temperature, and places densities among those of training', () => {
    const judgment = describeVerdict(raw, { image, text: 'x' }, classes, calibration);
    const roots = [0.8, 0.2, Math.sqrt(0.32)]; // temperature 2: square roots, over their sum
    const sum = roots.reduce((a, b) => a + b);
    expect(Object.values(judgment.probabilities)).toEqual(roots.map((root) => expect.closeTo(root / sum, 12)));
    expect(judgment.label).toBe('positive');
    expect(judgment.quality).toEqual({ image: 0.5, text: 0 });
    expect(judgment.logDensity).toEqual({ image: -1, text: -3 });
    expect(judgment.intact).toEqual({ image: 0.875, text: 0.03 });
    expect(judgment.unfamiliar).toBe(true); // the text is below all of training
    expect(judgment.pairWeights).toEqual({
      original: expect.closeTo(0.5, 12),
      imageAndRecoveredText: expect.closeTo(0.25, 12),
      recoveredImageAndText: expect.closeTo(0.25, 12),
    });
    expect(judgment.recovered).toBeNull();
  });

  it.each<[string, RawVerdict, RegExp]>([
    ['probabilities', { ...raw, probabilities: [NaN, NaN, NaN] }, /The model’s head, probabilities, expected finite numbers, received NaN at place 0; /],
    ['one probability', { ...raw, probabilities: [0.5, NaN, 0.5] }, /probabilities, expected finite numbers, received NaN at place 1; /],
    ['weights', { ...raw, pairWeights: [1, Infinity, 0] }, /weights of the pairs, expected finite numbers, received Infinity at place 1/],
    ['probabilities of being intact', { ...raw, intact: { image: null, text: NaN } }, /being intact, expected finite numbers, received NaN at place 0/],
    ['densities', { ...raw, logDensity: { image: -1, text: -Infinity } }, /log densities, expected finite numbers, received -Infinity at place 1/],
  ])('refuses %s that are no numbers, calibrated or not', (_, outputs, message) => {
    for (const known of [calibration, null]) {
      expect(() => describeVerdict(outputs, { image, text: 'x' }, classes, known)).toThrow(DataError);
      expect(() => describeVerdict(outputs, { image, text: 'x' }, classes, known)).toThrow(message);
    }
  }); // prettier-ignore

  it('says which modality was recovered, and nothing of the quality of what is missing', () => {
    const judgment = describeVerdict(raw, { image, text: null }, classes, calibration);
    expect([judgment.quality, judgment.recovered, judgment.unfamiliar]).toEqual([{ image: 0.5, text: null }, 'text', false]); // prettier-ignore
    expect(judgment.logDensity).toEqual({ image: -1, text: null });
    expect(judgment.intact).toEqual({ image: 0.875, text: null });
  });

  it('says nothing of a state that the model does not know, with a calibration or without', () => {
    for (const known of [calibration, null]) {
      const judgment = describeVerdict(
        { ...raw, intact: { image: null, text: 0.5 } },
        { image, text: 'x' },
        classes,
        known,
      );
      expect(judgment.intact).toEqual({ image: null, text: 0.5 });
    }
  });

  it('keeps the model’s probabilities and knows no quality without a calibration', () => {
    const judgment = describeVerdict(raw, { image, text: 'x' }, classes, null);
    expect(judgment.probabilities).toEqual({
      positive: expect.closeTo(0.64, 12),
      neutral: expect.closeTo(0.04, 12),
      negative: expect.closeTo(0.32, 12),
    });
    expect([judgment.quality, judgment.unfamiliar]).toEqual([{ image: null, text: null }, null]);
    expect(judgment.logDensity).toEqual({ image: -1, text: -3 });
  });

  it('knows no pairs of a method without them, and takes equal shares of weights that vanish', () => {
    const plain = describeVerdict({ ...raw, logDensity: null, pairWeights: null }, { image, text: null }, classes, calibration); // prettier-ignore
    expect([plain.pairWeights, plain.recovered, plain.unfamiliar]).toEqual([null, null, null]);
    expect(plain.logDensity).toEqual({ image: null, text: null });
    const vanished = describeVerdict({ ...raw, pairWeights: [0, 0, 0] }, { image, text: 'x' }, classes, null);
    expect(Object.values(vanished.pairWeights ?? {})).toEqual([1 / 3, 1 / 3, 1 / 3]);
    const alone = describeVerdict({ ...raw, pairWeights: [0] }, { image, text: 'x' }, classes, null);
    expect(Object.values(alone.pairWeights ?? {})).toEqual([1, 0, 0]);
  });
});

describe('looksCorrupted and describeState', () => {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

  it('tell what is more likely corrupted than intact, and how likely, of what is known', () => {
    const both = { intact: { image: 0.03, text: 0.5 } };
    expect([looksCorrupted(both, 'image'), looksCorrupted(both, 'text')]).toEqual([true, false]);
    expect(describeState(both, percent)).toBe('The image looks corrupted (probability 97.0 %), the text looks intact (probability 50.0 %).'); // prettier-ignore
    const one = { intact: { image: null, text: 0.499 } };
    expect([looksCorrupted(one, 'image'), looksCorrupted(one, 'text')]).toEqual([null, true]);
    expect(describeState(one, percent)).toBe('The text looks corrupted (probability 50.1 %).');
    expect(describeState({ intact: { image: null, text: null } }, percent)).toBe('');
  });
});

describe('combineJudgments', () => {
  const post = { image, text: 'x' };
  const sure = describeVerdict({ ...raw, probabilities: [0.9, 0.1, 0] }, post, classes, null);
  const other = describeVerdict(
    { ...raw, probabilities: [0.2, 0.3, 0.5], pairWeights: [0, 0, 1] },
    post,
    classes,
    null,
  );
  const known = { ...other, quality: { image: 0.4, text: 0.001 } };

  it('averages probabilities, quality and shares of pairs', () => {
    const judgment = combineJudgments([sure, known], classes);
    expect(judgment.label).toBe('positive');
    expect(Object.values(judgment.probabilities)).toEqual([0.55, 0.2, 0.25].map((p) => expect.closeTo(p, 12)));
    expect(Object.values(judgment.pairWeights ?? {})).toEqual([0.25, 0.125, 0.625].map((p) => expect.closeTo(p, 12)));
    expect([judgment.quality, judgment.unfamiliar]).toEqual([{ image: 0.4, text: 0.001 }, true]); // of those that know it
    expect([judgment.logDensity, judgment.recovered]).toEqual([{ image: null, text: null }, null]);
  });

  it('averages probabilities of being intact over those members that know them', () => {
    const states = [
      { image: 0.2, text: null },
      { image: 0.6, text: null },
      { image: null, text: null },
    ];
    const members = states.map((intact) => ({ ...sure, intact }));
    expect(combineJudgments(members, classes).intact).toEqual({ image: expect.closeTo(0.4, 12), text: null });
  });

  it('knows pairs and recovery as far as one of its members does', () => {
    const plain = describeVerdict({ ...raw, logDensity: null, pairWeights: null }, { image: null, text: 'x' }, classes, null); // prettier-ignore
    const recovering = describeVerdict(raw, { image: null, text: 'x' }, classes, null);
    expect(combineJudgments([plain, plain], classes)).toMatchObject({
      pairWeights: null,
      recovered: null,
      unfamiliar: null,
    });
    expect(combineJudgments([plain, recovering], classes)).toMatchObject({ pairWeights: recovering.pairWeights, recovered: 'image' }); // prettier-ignore
  });
});
