// Values of scikit-learn 1.9.1, scipy 1.17.1 and numpy 2.4.6, made by:
//
//   import numpy as np
//   from sklearn import metrics
//   rng = np.random.default_rng(20240711)
//   labels = rng.choice([0, 1, 2, 4], size=40, p=[0.5, 0.2, 0.2, 0.1])    # class 3 has no support
//   logits = rng.normal(size=(40, 5)); logits[np.arange(40), labels] += 1.2
//   logits[:, 4] = -9                                                      # class 4 is never predicted
//   p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
//   p = np.round(p, 3); p[:, 0] += 1 - p.sum(1); p = np.round(p, 3)        # class 4 gets 0, also where it is right
//   predictions = p.argmax(1)
//   metrics.accuracy_score(labels, predictions)
//   metrics.f1_score(labels, predictions, labels=range(5), average='weighted', zero_division=0)
//   metrics.f1_score(labels, predictions, labels=[0, 1, 2, 4], average='macro', zero_division=0)    # classes with posts
//   metrics.precision_recall_fscore_support(labels, predictions, labels=range(5), zero_division=0)
//   metrics.confusion_matrix(labels, predictions, labels=range(5))
//   metrics.log_loss(labels, p, labels=range(5))
//   confidence = p.max(1); right = predictions == labels
//   bin = np.clip(np.digitize(confidence, np.arange(16) / 15, right=True) - 1, 0, 14)
//   sum((bin == b).mean() * abs(right[bin == b].mean() - confidence[bin == b].mean()) for b in set(bin))
//   scores = np.round(rng.normal(size=40), 1); positive = rng.random(40) < 1 / (1 + np.exp(-scores))
//   metrics.roc_auc_score(positive, scores)                                # 17 scores are ties
import { hostTensor } from '@drf/tensor';
import { describe, expect, it } from 'vitest';
import { auroc } from './curves.js';
import { classificationReport } from './report.js';

const CLASSES = ['angry', 'bored', 'calm', 'fear', 'happy'];
const LABELS = [
  0, 1, 0, 0, 0, 4, 0, 2, 0, 0, 1, 1, 0, 4, 2, 0, 0, 1, 2, 0, 0, 2, 1, 1, 1, 0, 0, 0, 0, 0, 4, 0, 0, 2, 0, 1, 0, 0, 4,
  4,
];
const PREDICTIONS = [
  0, 1, 0, 2, 0, 1, 0, 2, 0, 2, 1, 1, 1, 1, 2, 0, 3, 1, 3, 0, 0, 2, 1, 1, 0, 0, 1, 0, 0, 0, 0, 3, 3, 3, 0, 1, 1, 3, 2,
  3,
];
const PROBABILITIES = [
  [0.657, 0.067, 0.228, 0.048, 0.0],
  [0.198, 0.32, 0.169, 0.313, 0.0],
  [0.626, 0.143, 0.054, 0.177, 0.0],
  [0.326, 0.113, 0.452, 0.109, 0.0],
  [0.407, 0.398, 0.069, 0.126, 0.0],
  [0.093, 0.532, 0.169, 0.206, 0.0],
  [0.487, 0.227, 0.114, 0.172, 0.0],
  [0.197, 0.245, 0.411, 0.147, 0.0],
  [0.437, 0.145, 0.132, 0.286, 0.0],
  [0.225, 0.243, 0.396, 0.136, 0.0],
  [0.015, 0.946, 0.021, 0.018, 0.0],
  [0.035, 0.913, 0.027, 0.025, 0.0],
  [0.298, 0.429, 0.095, 0.178, 0.0],
  [0.122, 0.39, 0.242, 0.246, 0.0],
  [0.029, 0.091, 0.745, 0.135, 0.0],
  [0.57, 0.093, 0.082, 0.255, 0.0],
  [0.081, 0.106, 0.325, 0.488, 0.0],
  [0.09, 0.642, 0.031, 0.237, 0.0],
  [0.125, 0.133, 0.287, 0.455, 0.0],
  [0.402, 0.097, 0.332, 0.169, 0.0],
  [0.48, 0.143, 0.252, 0.125, 0.0],
  [0.168, 0.25, 0.328, 0.254, 0.0],
  [0.067, 0.885, 0.024, 0.024, 0.0],
  [0.023, 0.829, 0.091, 0.057, 0.0],
  [0.519, 0.075, 0.272, 0.134, 0.0],
  [0.395, 0.331, 0.143, 0.131, 0.0],
  [0.21, 0.48, 0.285, 0.025, 0.0],
  [0.786, 0.054, 0.089, 0.071, 0.0],
  [0.7, 0.14, 0.026, 0.134, 0.0],
  [0.428, 0.157, 0.176, 0.239, 0.0],
  [0.311, 0.303, 0.2, 0.186, 0.0],
  [0.072, 0.24, 0.111, 0.577, 0.0],
  [0.166, 0.152, 0.243, 0.439, 0.0],
  [0.287, 0.084, 0.215, 0.414, 0.0],
  [0.755, 0.124, 0.089, 0.032, 0.0],
  [0.2, 0.432, 0.116, 0.252, 0.0],
  [0.153, 0.411, 0.344, 0.092, 0.0],
  [0.352, 0.024, 0.197, 0.427, 0.0],
  [0.054, 0.171, 0.629, 0.146, 0.0],
  [0.27, 0.268, 0.083, 0.379, 0.0],
];
const EXPECTED = {
  accuracy: 0.575,
  weightedF1: 0.5946683046683047,
  macroF1: 0.48703931203931206,
  precision: [0.8666666666666667, 0.5833333333333334, 0.5, 0.0, 0.0],
  recall: [0.5909090909090909, 0.875, 0.6, 0.0, 0.0],
  f1: [0.7027027027027027, 0.7, 0.5454545454545454, 0.0, 0.0],
  support: [22, 8, 5, 0, 5],
  confusion: [
    [13, 3, 2, 4, 0],
    [1, 7, 0, 0, 0],
    [0, 0, 3, 2, 0],
    [0, 0, 0, 0, 0],
    [1, 2, 1, 1, 0],
  ],
  negativeLogLikelihood: 5.3553481732542485,
  expectedCalibrationError: 0.126925,
  binCounts: [0, 0, 0, 0, 3, 4, 13, 6, 2, 4, 1, 3, 1, 2, 1],
};

const SCORES = [
  0.4, 2.7, -0.9, 1.2, 0.8, -0.3, -0.9, 0.8, 0.4, -1.1, -0.2, -1.3, 1.6, -0.1, 0.3, 1.1, -1.7, 1.5, 0.6, 1.3, -2.4,
  -0.8, -0.2, 1.4, -0.3, -0.2, 0.2, 0.2, 1.0, 0.8, 0.0, 0.2, -0.3, -1.1, -0.9, 0.3, -0.0, -1.1, 0.8, 1.2,
];
const POSITIVE = [
  0, 1, 0, 1, 0, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1, 1, 0, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 0, 1,
  1,
].map((value) => value === 1);
const EXPECTED_AUROC = 0.7626262626262627;

describe('against scikit-learn, with a class without posts, a class never predicted and ties', () => {
  const report = classificationReport(LABELS, PROBABILITIES, CLASSES);

  it('accuracy and both F1s', () => {
    expect(report.accuracy).toBeCloseTo(EXPECTED.accuracy, 12);
    expect(report.weightedF1).toBeCloseTo(EXPECTED.weightedF1, 12);
    expect(report.macroF1).toBeCloseTo(EXPECTED.macroF1, 12);
  });

  it('precision, recall, F1 and support of every class, 0 where the divisor is 0', () => {
    report.perClass.forEach((scores, index) => {
      expect(scores.name).toBe(CLASSES[index]);
      expect(scores.precision).toBeCloseTo(EXPECTED.precision[index]!, 12);
      expect(scores.recall).toBeCloseTo(EXPECTED.recall[index]!, 12);
      expect(scores.f1).toBeCloseTo(EXPECTED.f1[index]!, 12);
      expect(scores.support).toBe(EXPECTED.support[index]);
      expect(scores.predicted).toBe(PREDICTIONS.filter((prediction) => prediction === index).length);
    });
  });

  it('the confusion matrix', () => {
    expect(report.confusion).toEqual(EXPECTED.confusion);
  });

  it('negative log-likelihood, where a right class has probability 0, and calibration', () => {
    expect(report.calibration?.negativeLogLikelihood).toBeCloseTo(EXPECTED.negativeLogLikelihood, 12);
    expect(report.calibration?.expectedCalibrationError).toBeCloseTo(EXPECTED.expectedCalibrationError, 12);
    expect(report.calibration?.bins.map(({ count }) => count)).toEqual(EXPECTED.binCounts);
  });

  it('the same from predictions alone, and from a float32 host tensor', () => {
    expect(classificationReport(LABELS, PREDICTIONS, CLASSES)).toEqual({ ...report, calibration: null });
    const tensor = hostTensor(PROBABILITIES.flat(), [LABELS.length, CLASSES.length]);
    const fromTensor = classificationReport(Int32Array.from(LABELS), tensor, CLASSES);
    expect({ ...fromTensor, calibration: null }).toEqual({ ...report, calibration: null });
    expect(fromTensor.calibration?.negativeLogLikelihood).toBeCloseTo(EXPECTED.negativeLogLikelihood, 6);
  });

  it('AUROC with tied scores', () => {
    expect(auroc(SCORES, POSITIVE)).toBeCloseTo(EXPECTED_AUROC, 12);
  });
});

// i = np.arange(200); labels = (i * i + 3 * i) % 7 % 3; predictions = (i * 5 + i // 4) % 3
// scores = (i * 37 % 11) / 10; positive = (i * 13 % 17) < 6; the same calls as above
describe('against scikit-learn, on a case anyone can repeat', () => {
  const places = Array.from({ length: 200 }, (_, i) => i);
  const labels = places.map((i) => ((i * i + 3 * i) % 7) % 3);
  const predictions = places.map((i) => (i * 5 + Math.floor(i / 4)) % 3);

  it('scores', () => {
    const report = classificationReport(labels, predictions, ['positive', 'neutral', 'negative']);
    expect(report.confusion).toEqual([
      [43, 22, 21],
      [29, 14, 15],
      [28, 14, 14],
    ]);
    expect(report.accuracy).toBeCloseTo(0.355, 12);
    expect(report.weightedF1).toBeCloseTo(0.34796465363720386, 12);
    expect(report.macroF1).toBeCloseTo(0.3285919313511117, 12);
    expect(report.perClass.map(({ f1 }) => f1)).toEqual([
      expect.closeTo(0.46236559139784944, 12),
      expect.closeTo(0.25925925925925924, 12),
      expect.closeTo(0.2641509433962264, 12),
    ]);
    expect(report.majorityAccuracy).toBeCloseTo(86 / 200, 12);
  });

  it('AUROC', () => {
    const scores = places.map((i) => ((i * 37) % 11) / 10);
    const positive = places.map((i) => (i * 13) % 17 < 6);
    expect(auroc(scores, positive)).toBeCloseTo(0.49432252429304513, 12);
  });
});
