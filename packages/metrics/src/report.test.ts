import { ConfigurationError, DataError, hostTensor, NonFiniteError } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { classificationReport } from './report.js';
import { wilsonInterval } from './interval.js';

const CLASSES = ['positive', 'negative'];

describe('classificationReport', () => {
  it('agrees with a case worked by hand', () => {
    const report = classificationReport([0, 0, 0, 1], [0, 0, 1, 1], CLASSES);
    expect(report).toMatchObject({ count: 4, accuracy: 0.75, majorityAccuracy: 0.75, calibration: null });
    expect(report.confusion).toEqual([
      [2, 1],
      [0, 1],
    ]);
    expect(report.perClass[0]).toMatchObject({ name: 'positive', precision: 1, support: 3, predicted: 2 });
    expect(report.perClass[0]?.recall).toBeCloseTo(2 / 3, 12);
    expect(report.perClass[0]?.f1).toBeCloseTo(0.8, 12);
    expect(report.perClass[1]?.f1).toBeCloseTo(2 / 3, 12);
    expect(report.weightedF1).toBeCloseTo((3 * 0.8 + 2 / 3) / 4, 12);
    expect(report.macroF1).toBeCloseTo((0.8 + 2 / 3) / 2, 12);
    expect(report.accuracyInterval).toEqual(wilsonInterval(3, 4));
  });

  it('is plain data', () => {
    const report = classificationReport(
      [0, 1],
      [
        [0.5, 0.5],
        [0.1, 0.9],
      ],
      CLASSES,
    );
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    expect(report.confusion[0]).toEqual([1, 0]); // of equal probabilities the first class wins
  });

  it.each([
    ['no posts', [], [], 'expected at least one of the labels, received none; check the split and its filters'],
    ['more labels', [0, 1], [0], 'expected as many predictions as labels (2), received 1; compare the same posts'],
    ['a label out of range', [0, 2], [0, 1], 'expected labels from 0 to 1, received 2 at place 1'],
    ['a label that is no index', [0.5], [0], 'expected labels from 0 to 1, received 0.5 at place 0'],
    ['a negative prediction', [0, 1], [0, -1], 'expected predictions from 0 to 1, received -1 at place 1'],
    [
      'more rows',
      [0],
      [
        [1, 0],
        [0, 1],
      ],
      'expected as many predictions as labels (1), received 2',
    ],
    [
      'a row too wide',
      [0, 0],
      [
        [1, 0],
        [0.2, 0.3, 0.5],
      ],
      'row 1 expected 2 probabilities, received 3',
    ],
    ['logits', [0], [[3, -2]], 'row 0 expected probabilities from 0 to 1, received 3; apply softmax to the logits'],
    [
      'a sum of 0.9',
      [0],
      [[0.5, 0.4]],
      'classificationReport, row 0 expected probabilities that sum to 1, received 0.9',
    ],
  ])('refuses %s', (_name, labels, outputs, message) => {
    expect(() => classificationReport(labels, outputs, CLASSES)).toThrow(DataError);
    expect(() => classificationReport(labels, outputs, CLASSES)).toThrow(message);
  });

  it('refuses NaN among probabilities, naming the row', () => {
    const report = (): unknown =>
      classificationReport(
        [0, 1],
        [
          [1, 0],
          [Number.NaN, 1],
        ],
        CLASSES,
      );
    expect(report).toThrow(NonFiniteError);
    expect(report).toThrow('classificationReport, row 1 expected finite numbers, received NaN at index 0');
  });

  it('refuses a NaN prediction and a tensor of another rank', () => {
    expect(() => classificationReport([0], [Number.NaN], CLASSES)).toThrow('predictions from 0 to 1, received NaN');
    expect(() => classificationReport([0], hostTensor([1, 0], [2]), CLASSES)).toThrow(
      'classificationReport expected shape [posts, classes], received [2]',
    );
  });

  it('refuses classes that cannot be told apart', () => {
    expect(() => classificationReport([0], [0], ['one'])).toThrow(ConfigurationError);
    expect(() => classificationReport([0], [0], ['one'])).toThrow('expected at least two classes, received 1');
    expect(() => classificationReport([0], [0], ['a', 'a'])).toThrow('expected each class once, received "a" twice');
  });
});
