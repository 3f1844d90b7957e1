import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeSplits, openDataset, PAPER_FRACTIONS, readUnlabeledPosts } from '@drf/datasets';
import { parseStrategy, planDisruptions } from '@drf/disruption';
import { classificationReport, pairedBootstrap } from '@drf/metrics';
import { DEFAULT_IMAGE_DECODING } from '@drf/preprocessing';
import { createRandom, hostTensor } from '@drf/tensor';
import { writePosts } from '../bench-predict.js';
import { randomAnswers } from './answers.js';
import { calledOperation, LINEAR, type Prepared, type Topic } from './topic.js';

const CLASSES = ['negative', 'neutral', 'positive'];
/** Of each interval; 2,000 are usual, and take twenty times as long. */
const RESAMPLES = 100;

function plan(posts: number): Prepared {
  const present = Array.from({ length: posts }, (_, i) => ({ id: `post-${i}`, hasImage: true, hasText: true }));
  const strategy = parseStrategy('random:0.6:C+D');
  return { call: () => planDisruptions(present, strategy, 0) };
}

/** A table of texts in a folder of its own. */
async function withTable(
  posts: number,
  labels: readonly string[],
  call: (path: string) => Promise<unknown>,
): Promise<Prepared> {
  const folder = await mkdtemp(join(tmpdir(), 'drf-bench-growth-'));
  const path = join(folder, 'posts.jsonl');
  await writePosts(path, posts, labels);
  return { call: () => call(path), close: () => rm(folder, { recursive: true }) };
}

async function loadAndSplit(path: string): Promise<void> {
  const dataset = await openDataset({ name: 'posts', file: path });
  makeSplits(dataset, { fractions: PAPER_FRACTIONS, seed: 1 });
}

async function readAll(path: string): Promise<void> {
  let rows = 0;
  for await (const row of readUnlabeledPosts(path, { decoding: DEFAULT_IMAGE_DECODING })) {
    if ('post' in row) rows++;
  }
  if (rows === 0) throw new Error(`no row of ${path} could be read`);
}

function evaluate(posts: number): Prepared {
  const random = createRandom('evaluate');
  const { labels, answers, probabilities } = randomAnswers(random, posts, CLASSES.length);
  const rows = hostTensor(probabilities, [posts, CLASSES.length]);
  const others = randomAnswers(random, posts, CLASSES.length).answers;
  const options = { classCount: CLASSES.length, random, metric: 'macroF1', resamples: RESAMPLES } as const;
  return {
    call: () => [
      classificationReport(labels, rows, CLASSES),
      pairedBootstrap(labels, [answers], [others], options).interval,
    ],
  };
}

/** What all of one's posts pass through. */
export const POSTS: Topic = {
  name: 'posts',
  unit: 'posts',
  sizes: [1e3, 1e4, 1e5, 1e6],
  smallest: 10,
  operations: [
    calledOperation({ name: 'plan', words: 'planning disruptions of 60 % of the posts', atMost: LINEAR }, plan),
    calledOperation({ name: 'load', words: 'loading a table with labels and splitting it', atMost: LINEAR }, (posts) =>
      withTable(posts, CLASSES, loadAndSplit),
    ),
    calledOperation(
      { name: 'evaluate', words: `all metrics, and the interval of a paired difference (${RESAMPLES} resamples)`, atMost: LINEAR }, // prettier-ignore
      evaluate,
    ),
    calledOperation(
      { name: 'read', words: 'reading the rows of a table to be judged, one by one', atMost: { time: 1, memory: 0 } },
      (posts) => withTable(posts, [], readAll),
    ),
  ],
};
