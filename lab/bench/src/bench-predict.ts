import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { openJudge, type Judge } from '@drf/judge';
import { localProcesses, predictPosts } from '@drf/predict-app/posts';
import { createRandom } from '@drf/tensor';
import { watchMemory } from './measure.js';

export interface PredictBenchOptions {
  readonly rows: number;
  /** A run or an export that judges; without, a stand-in that costs nothing: reading and writing alone. */
  readonly run?: string;
  /** Processes that judge; 1: this one. More take a run. Default 1. */
  readonly jobs?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface PredictBenchReport {
  /** What judged. */
  readonly judge: string;
  readonly rows: number;
  readonly seconds: number;
  /** From the first judged posts on: the start of processes and models is not counted. */
  readonly rowsASecond: number;
  readonly jobs: number;
  /** Largest resident size of this process and those that it started, in MiB; null where the system does not tell (/proc). */
  readonly peakMegabytes: number | null;
  /** Resident size and JavaScript heap after each tenth of the rows, and at the end of all. */
  readonly memory: readonly { readonly row: number; readonly megabytes: number; readonly heapMegabytes: number }[];
  /** How far the largest of the last five measurements lies above the largest of those before, a share. */
  readonly growth: number;
}

const MEASUREMENTS = 10;
const WORDS = ['what', 'a', 'day', 'sunny', 'rain', 'love', 'hate', 'bus', 'late', 'coffee', 'again', '#monday', '😀', 'meh', 'news', 'goal']; // prettier-ignore

/**
 * Judges generated texts the way `pnpm predict` does, from a file to a file, and measures memory on the way.
 * @throws as `openJudge`
 */
export async function measurePredict({
  rows,
  run,
  jobs = 1,
  onProgress,
}: PredictBenchOptions): Promise<PredictBenchReport> {
  const folder = await mkdtemp(join(tmpdir(), 'drf-bench-predict-'));
  const judge = run === undefined ? STAND_IN : await openJudge(run);
  try {
    const input = join(folder, 'posts.jsonl');
    await writePosts(input, rows);
    const memory: PredictBenchReport['memory'][number][] = [];
    const collect = garbageCollector();
    const measure = (row: number): void => {
      collect(); // what is left is held
      const { rss, heapUsed } = process.memoryUsage();
      memory.push({ row, megabytes: rss / 2 ** 20, heapMegabytes: heapUsed / 2 ** 20 });
    };
    const every = Math.max(1, Math.floor(rows / MEASUREMENTS));
    let measured = 0;
    let first: { readonly row: number; readonly at: number } | undefined;
    const peak = watchMemory('Rss', [process.pid]);
    const startedAt = performance.now();
    const result = await predictPosts({
      judge,
      input,
      out: join(folder, 'judged.csv'),
      resume: false,
      overwrite: false,
      others: jobs === 1 || run === undefined ? undefined : localProcesses({ runs: [resolve(run)], checkpoint: null, engine: 'auto' }, jobs), // prettier-ignore
      onProgress: (done) => {
        if (done > 0) first ??= { row: done, at: performance.now() };
        for (; done >= (measured + 1) * every; measured++) measure(done);
        onProgress?.(done, rows);
      },
    });
    const endedAt = performance.now();
    measure(rows); // the output was put together of parts since
    const peakMegabytes = peak.stop();
    if (result.counts?.judged !== rows) throw new Error(`judged ${result.counts?.judged} of ${rows} rows`);
    const sizes = memory.map(({ megabytes }) => megabytes);
    const [early, late] = [Math.max(...sizes.slice(0, -5)), Math.max(...sizes.slice(-5))];
    const { row, at } = first ?? { row: 0, at: startedAt };
    return {
      judge: nameOf(run),
      rows,
      jobs,
      seconds: (endedAt - startedAt) / 1000,
      rowsASecond: (1000 * (rows - row)) / (endedAt - at),
      peakMegabytes,
      memory,
      growth: late / early - 1,
    };
  } finally {
    await judge.close();
    await rm(folder, { recursive: true });
  }
}

/** V8's collector, which Node hides. */
function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}

function nameOf(run: string | undefined): string {
  return run ?? 'a stand-in without a model: reading and writing alone';
}

/** Texts of 4 to 20 words, one row each, piece by piece. @param labels to take turns in; default: no label */
export async function writePosts(path: string, rows: number, labels: readonly string[] = []): Promise<void> {
  const random = createRandom(1);
  const stream = createWriteStream(path);
  for (let row = 1; row <= rows; row++) {
    const words = Array.from({ length: 4 + random.integer(17) }, () => WORDS[random.integer(WORDS.length)]);
    const label = labels[row % labels.length]; // none of none
    const line = `${JSON.stringify({ id: `post-${row}`, text: words.join(' '), label })}\n`;
    if (!stream.write(line)) await once(stream, 'drain');
  }
  stream.end();
  await finished(stream);
}

/** Says of every text the same kind of thing that a model would. */
const STAND_IN: Judge = {
  info: {
    name: 'stand-in',
    sources: [{ kind: 'run', folder: 'stand-in', checkpoint: 'none', sha256: '' }],
    classes: ['positive', 'neutral', 'negative'],
    method: 'none',
    encoders: { image: 'none', text: 'none' },
    imageSize: 224,
    maskToken: null,
    engine: 'none',
    calibration: null,
    notes: [],
  },
  judge: async ({ text }) => {
    const share = ((text ?? '').length % 10) / 10;
    return {
      label: share > 0.5 ? 'positive' : 'negative',
      probabilities: { positive: share, neutral: 0, negative: 1 - share },
      quality: { image: null, text: share },
      logDensity: { image: null, text: -share },
      intact: { image: null, text: share },
      pairWeights: { original: 0, imageAndRecoveredText: 0, recoveredImageAndText: 1 },
      recovered: 'image',
      unfamiliar: false,
    };
  },
  close: async () => undefined,
};
