import { createRandom } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { accuracy, classScores, confusionMatrix, macroF1, weightedF1 } from './scores.js';

const random = createRandom('scores');
const draw = (count: number, classes: number): number[] => Array.from({ length: count }, () => random.integer(classes));

describe('scores', () => {
  it('agree with counting post by post', () => {
    for (let round = 0; round < 20; round++) {
      const classes = 2 + random.integer(5);
      const [labels, predictions] = [draw(30, classes), draw(30, classes)];
      const f1s = Array.from({ length: classes }, (_, index) => {
        const both = labels.filter((label, i) => label === index && predictions[i] === index).length;
        const precision = both / predictions.filter((prediction) => prediction === index).length || 0;
        const recall = both / labels.filter((label) => label === index).length || 0;
        return (2 * precision * recall) / (precision + recall) || 0;
      });
      const support = f1s.map((_, index) => labels.filter((label) => label === index).length);
      expect(accuracy(labels, predictions, classes)).toBe(
        labels.filter((label, i) => label === predictions[i]).length / 30,
      );
      const present = f1s.filter((_, index) => support[index]! > 0);
      expect(macroF1(labels, predictions, classes)).toBeCloseTo(
        present.reduce((sum, f1) => sum + f1) / present.length,
        12,
      );
      expect(weightedF1(labels, predictions, classes)).toBeCloseTo(
        f1s.reduce((sum, f1, index) => sum + (f1 * support[index]!) / 30, 0),
        12,
      );
    }
  });

  it('are 1 for perfect predictions and 0 for none right', () => {
    const labels = [0, 1, 2, 2];
    expect([accuracy, weightedF1, macroF1].map((score) => score(labels, labels, 3))).toEqual([1, 1, 1]);
    expect([accuracy, weightedF1, macroF1].map((score) => score(labels, [1, 2, 0, 0], 3))).toEqual([0, 0, 0]);
  });

  it('leave classes without posts out of macro F1, not the posts taken for them', () => {
    expect(macroF1([0, 1, 0], [0, 1, 0], 4)).toBe(1);
    // one of three posts of class 0 taken for class 2, which has none: 2·2 / (2 + 3), and 1
    expect(macroF1([0, 0, 0, 1], [0, 0, 2, 1], 3)).toBeCloseTo((0.8 + 1) / 2, 12);
  });

  it('give the collapse to the majority class away in macro F1', () => {
    const labels = [0, 0, 0, 0, 0, 0, 1, 1, 2, 2];
    const always = labels.map(() => 0);
    expect(accuracy(labels, always, 3)).toBe(0.6);
    expect(macroF1(labels, always, 3)).toBeCloseTo(0.25, 12);
    expect(classScores(confusionMatrix(labels, always, 3))[1]).toEqual({
      precision: 0,
      recall: 0,
      f1: 0,
      support: 2,
      predicted: 0,
    });
  });
});
