import { createEngine } from '@drf/engine';
import { csvReport, htmlReport, textReport, type EvaluationResult } from '@drf/evaluation';
import { classificationReport, pairedBootstrap } from '@drf/metrics';
import { createRandom, hostTensor } from '@drf/tensor';
import { randomAnswers } from './answers.js';
import { headStep } from './head-step.js';
import { calledOperation, LINEAR, type Prepared, type Topic } from './topic.js';

/** That are measured whatever the classes. */
const POSTS = 2000;
/** Of each interval; 2,000 are usual, and take twenty times as long. */
const RESAMPLES = 100;
/** A confusion matrix has so many cells as the square of the classes. */
const CONFUSION = { time: 2, memory: 2 };

const namesOf = (classes: number): string[] => Array.from({ length: classes }, (_, i) => `class ${i}`);

function metrics(classes: number): Prepared {
  const { labels, probabilities } = randomAnswers(createRandom('metrics'), POSTS, classes);
  const rows = hostTensor(probabilities, [POSTS, classes]);
  const names = namesOf(classes);
  return { call: () => classificationReport(labels, rows, names) };
}

function interval(classes: number): Prepared {
  const random = createRandom('interval');
  const { labels, answers } = randomAnswers(random, POSTS, classes);
  const others = randomAnswers(random, POSTS, classes).answers;
  const options = { classCount: classes, random, metric: 'macroF1', resamples: RESAMPLES } as const;
  return { call: () => pairedBootstrap(labels, [answers], [others], options) };
}

/** What `pnpm eval` would say of a run under one cell. */
function resultOf(classes: number): EvaluationResult {
  const { labels, answers } = randomAnswers(createRandom('report'), POSTS, classes);
  const none = { corrupted: 0, discarded: 0 };
  return {
    format: 'drf-evaluation/1',
    run: {
      path: 'bench',
      name: 'bench',
      method: 'drf',
      departures: [],
      ablations: [],
      seed: 0,
      trainingDisruption: 'none',
      trainedEncoders: [],
      dataset: 'bench',
      checkpoint: 'step-1',
      step: 1,
      epoch: 1,
      git: null,
    },
    evaluation: {
      dataset: 'bench',
      split: 'test',
      posts: POSTS,
      postsHash: '',
      classes: namesOf(classes),
      seed: 0,
      manifest: null,
      engine: 'compiled',
      encoders: { image: 'none', text: 'none' },
    },
    notes: [],
    unreadable: [],
    cells: [
      {
        cell: 'clean',
        kind: 'none',
        modality: null,
        setting: null,
        ratio: null,
        disrupted: { image: none, text: none },
        report: classificationReport(labels, answers, namesOf(classes)),
        paper: null,
        quality: null,
        manifest: null,
      },
    ],
    curves: [],
    missingCells: [],
  };
}

function report(classes: number): Prepared {
  const result = resultOf(classes);
  return { call: () => [textReport(result, true), htmlReport(result), csvReport([result]), JSON.stringify(result)] };
}

/** What grows with the classes, with {@link POSTS} posts. */
export const CLASSES: Topic = {
  name: 'classes',
  unit: 'classes',
  sizes: [2, 10, 100, 1000],
  smallest: 2,
  operations: [
    calledOperation({ name: 'step', words: 'a training step of drf', atMost: LINEAR }, async (classes) =>
      headStep(await createEngine('compiled'), { classes, queue: 256 }),
    ),
    calledOperation(
      { name: 'metrics', words: `all metrics of ${POSTS} posts, with the confusion matrix and calibration`, atMost: CONFUSION }, // prettier-ignore
      metrics,
    ),
    calledOperation(
      { name: 'interval', words: `the interval of a paired difference in macro F1 (${RESAMPLES} resamples)`, atMost: LINEAR }, // prettier-ignore
      interval,
    ),
    calledOperation(
      { name: 'report', words: 'writing results as text, page, CSV and JSON', atMost: CONFUSION },
      report,
    ),
  ],
};
