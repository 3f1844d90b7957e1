import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MemoryPost } from '@drf/datasets';
import { writeTinyBert, writeTinyVit } from '@drf/encoders/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  InterruptedError,
  isDrfError,
  openRun,
  train,
  type EvaluationReport,
  type Run,
  type TrainEvent,
  type WorkEvent,
} from './index.js';
import { labeledPosts, TINY_ENCODERS } from './testing/posts.js';

let folder: string;
let posts: MemoryPost[];
let file: string;
let run: Run;
const events: TrainEvent[] = [];
const at = (...names: string[]): string => join(folder, ...names);
const surroundings = () => ({
  cache: at('cache'),
  options: {
    engine: 'eager:cpu',
    dataset: { imageSize: 32 },
    encoders: { image: at('tiny.mjs'), text: at('tiny.mjs') },
    training: { epochs: 2, batchSize: 8 },
    model: { dim: 16, queueCapacity: 16, gaussianRank: 2 },
  },
});

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-library-'));
  posts = await labeledPosts(40);
  await writeFile(at('tiny.mjs'), TINY_ENCODERS);
  await mkdir(at('images'));
  const lines = await Promise.all(
    posts.map(async ({ text, image, label }, i) => {
      if (image instanceof Uint8Array) await writeFile(at('images', `${i}.png`), image);
      return [text ?? '', image === null ? '' : `images/${i}.png`, label].map((cell) => `"${String(cell)}"`).join(',');
    }),
  );
  file = at('posts.csv');
  await writeFile(file, ['text,image,label', ...lines].join('\n'));
  run = await train({ ...surroundings(), data: posts, seed: 3, out: at('memory'), onProgress: (event) => void events.push(event) }); // prettier-ignore
  await run.judge({ text: 'opens it' });
}, 120_000);
afterAll(async () => {
  await run?.close();
  await rm(folder, { recursive: true, force: true });
});

const parameters = async (of: Run): Promise<Buffer> =>
  readFile(join(of.folder, 'checkpoints', of.metrics?.checkpoint ?? ''));

describe('train', () => {
  it('gives the same run from memory, from an async iterable and from a file', async () => {
    async function* stream() {
      for (const post of posts) yield { body: post.text, picture: post.image, mood: post.label };
    }
    const columns = { text: 'body', image: 'picture', label: 'mood' };
    const streamed = await train({ ...surroundings(), data: stream(), columns, seed: 3, out: at('stream') });
    const fromFile = await train({ ...surroundings(), data: file, seed: 3, out: at('file') });
    const expected = await parameters(run);
    expect((await parameters(streamed)).equals(expected)).toBe(true);
    expect((await parameters(fromFile)).equals(expected)).toBe(true);
    expect(fromFile.metrics).toEqual(run.metrics);
    for (const name of ['posts.json', 'calibration.json', join('splits', 'test.json')]) {
      expect(await readFile(join(fromFile.folder, name), 'utf8')).toBe(await readFile(join(run.folder, name), 'utf8'));
    }
  });

  it('says how far it is, and what became of the posts', async () => {
    const data = events.find((event) => event.kind === 'data');
    expect(data).toMatchObject({
      classes: ['bad', 'good'],
      splits: { train: 32, val: 4, test: 4 },
      ledger: { kept: 40 },
    });
    const epochs = events.filter((event) => event.kind === 'epoch');
    expect(epochs.map(({ epoch, validation }) => [epoch, validation?.posts])).toEqual([[1, 4], [2, 4]]); // prettier-ignore
    const stages = events.flatMap((event) =>
      event.kind === 'stage' && event.done === event.total ? [event.stage] : [],
    );
    expect(stages).toEqual(expect.arrayContaining(['Taking posts', 'Training', 'Calibrating']));
    expect(events.some((event) => event.kind === 'warning' && /4 validation posts/.test(event.message))).toBe(true);
    expect(run.classes).toEqual(['bad', 'good']);
    expect(run.metrics).toMatchObject({ epoch: expect.any(Number) as number, validation: { posts: 4 } });
    expect((await run.history()).filter(({ type }) => type === 'epoch')).toHaveLength(2);
    expect((await run.ledger()).rows).toBe(40);
  });

  it('stops at an abort with a checkpoint, and goes on to the same end', async () => {
    const controller = new AbortController();
    const onProgress = (event: TrainEvent): void => {
      if (event.kind === 'epoch' && event.epoch === 1) controller.abort(new Error('enough'));
    };
    const { signal } = controller;
    const stopped = train({ ...surroundings(), data: posts, seed: 3, out: at('stopped'), onProgress, signal });
    const error = await stopped.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(InterruptedError);
    expect(error).toMatchObject({ name: 'AbortError', code: 'interrupted', folder: at('stopped'), cause: { message: 'enough' } }); // prettier-ignore
    expect(isDrfError(error, 'interrupted')).toBe(true);
    const resumed = await train({ resume: at('stopped'), cache: at('cache') });
    expect((await parameters(resumed)).equals(await parameters(run))).toBe(true);
    const changed = { resume: at('stopped'), seed: 4 };
    await expect(train(changed)).rejects.toThrow(/option resume expected no option .* received seed/);
  });

  it('makes a folder of its own for each training, and leaves none that holds nothing', async () => {
    const before = process.cwd();
    await mkdir(at('elsewhere'));
    process.chdir(at('elsewhere'));
    try {
      const options = { ...surroundings(), data: posts, method: 'concatenation' } as const;
      const [one, other] = await Promise.all([train(options), train({ ...options, data: file })]);
      expect([one.folder, other.folder].sort()).toEqual([
        at('elsewhere', 'runs', 'posts-concatenation-seed0'),
        at('elsewhere', 'runs', 'posts-concatenation-seed0-2'),
      ]);
      await expect(train({ ...options, signal: AbortSignal.abort() })).rejects.toMatchObject({ folder: null });
      const error = await train({ ...surroundings(), data: [{ text: 'no label', label: '' }] }).catch(
        (reason: unknown) => reason,
      );
      expect([isDrfError(error, 'data'), isDrfError(error, 'checkpoint')]).toEqual([true, false]);
      expect(error).toMatchObject({ code: 'unusable-data', ledger: { dropped: 1 } });
      expect(await readdir(at('elsewhere', 'runs'))).toHaveLength(2);
    } finally {
      process.chdir(before);
    }
  });

  it('tells an MLflow server how it goes', async () => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url?.replace(/^.*mlflow\//, '') ?? '');
      const ids = {
        experiment_id: '1',
        experiment: { experiment_id: '1' },
        run: { info: { run_id: 'r', experiment_id: '1' } },
      };
      response.setHeader('content-type', 'application/json').end(JSON.stringify(ids));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const track = `mlflow:http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await train({ ...surroundings(), data: file, method: 'concatenation', out: at('tracked'), track });
    server.close();
    expect(asked).toEqual(expect.arrayContaining(['runs/create', 'runs/log-batch', 'runs/update']));
    await expect(train({ ...surroundings(), data: file, out: at('untracked'), track: 'somewhere' })).rejects.toThrow(/mlflow:http/); // prettier-ignore
  });

  it('takes a preset, over which options count', async () => {
    const fast = await train({ ...surroundings(), data: posts, seed: 3, preset: 'fast', out: at('fast') });
    expect((await parameters(fast)).equals(await parameters(run))).toBe(true);
    const { options, cache } = surroundings();
    const models = { image: await writeTinyVit(at('vit')), text: await writeTinyBert(at('bert')) };
    const layers = { image: 1, text: 1 };
    const encoders = { ...models, trainableLayers: layers, imageSize: 16 };
    const best = { cache, data: file, preset: 'best', method: 'concatenation', options: { ...options, encoders } } as const; // prettier-ignore
    const fold = { ...best.options, dataset: { ...options.dataset, fold: 2 } };
    const { config, folder: out } = await train({ ...best, options: fold, out: at('best') });
    expect([config.dataset.folds, config.dataset.fold, out]).toEqual([5, 2, at('best')]);
    expect(config).toMatchObject({ training: { epochs: 2, learningRate: 3e-4 }, encoders: { ...encoders, pooling: { image: 'cls_mean' }, trainable: { image: true } } }); // prettier-ignore
    await expect(train({ ...best, out: at('all') })).rejects.toThrow(
      /^train, preset best expected the one of its folds that this call trains, received none; train each by a call of its own, options: { dataset: { fold: 1 } }/,
    );
    for (const data of [posts, file]) {
      await expect(train({ data, preset: 'blanced' as 'balanced' })).rejects.toThrow(
        'Preset expected one of fast, balanced, best, received "blanced"; did you mean "balanced"?',
      );
    }
  });

  it('names what is wrong with options', async () => {
    await expect(train({ experiment: 'quickstrat' })).rejects.toThrow(/quickstart/);
    const misspelt = { training: { epoch: 3 } };
    await expect(train({ data: file, options: misspelt as object })).rejects.toThrow(/epoch.*epochs/);
    await expect(train({} as { data: string })).rejects.toThrow(
      /train expected data, an experiment, or a run to resume/,
    );
    const misplaced = { data: file, epochs: 3 };
    await expect(train(misplaced)).rejects.toThrow(/received "epochs"; .*options: { training: { epochs: 20 } }/);
    await expect(train({ ...misplaced, epochs: undefined, sed: 1 } as object)).rejects.toThrow(/did you mean "seed"/);
    const error = await train({ data: at('none.csv') }).catch((reason: unknown) => reason);
    expect(isDrfError(error, 'data')).toBe(true);
  });
});

describe('a run', () => {
  it('judges posts given in any form alike', async () => {
    const [first] = posts as [MemoryPost];
    const bytes = first.image as Uint8Array<ArrayBuffer>;
    async function* stream() {
      yield bytes.subarray(0, 100);
      yield bytes.subarray(100);
    }
    const images = [bytes, at('images', '0.png'), new Blob([bytes]), stream()];
    const judgments = await run.predict(images.map((image) => ({ text: first.text as string, image })));
    for (const judgment of judgments) expect(judgment).toEqual(judgments[0]);
    expect(Object.keys(judgments[0]?.probabilities ?? {})).toEqual(['bad', 'good']);
    const alone = await run.judge({ text: first.text as string });
    expect(alone).toEqual(await run.judge({ text: first.text as string, image: null }));
    expect(alone.recovered).toBe('image');
  });

  it('judges a stream as it comes, and names the post that it cannot judge', async () => {
    let asked = 0;
    async function* endless() {
      for (;;) yield { text: `post ${asked++}` };
    }
    const labels: string[] = [];
    for await (const { label } of run.predict(endless())) if (labels.push(label) === 5) break;
    expect(asked).toBeLessThan(12);
    const some = [{ text: 'fine' }, { text: ' ' }, { image: at('none.png') }, { text: 'fine, too' }];
    await expect(run.predict(some)).rejects.toThrow(/^Post 1, The post expected text or an image/);
    const errors: number[] = [];
    const judged = await run.predict(some, { onError: (_, index) => void errors.push(index) });
    expect(judged.map((each) => each === null)).toEqual([false, true, true, false]);
    expect(errors.sort()).toEqual([1, 2]);
    for (const noList of ['fine', { text: 'fine' }, null]) {
      await expect(run.predict(noList as Iterable<object>)).rejects.toThrow(/^predict expected an array of posts/);
    }
    const signal = AbortSignal.abort();
    await expect(run.predict(some, { signal })).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('is evaluated on its own posts and on others, in memory or in files', async () => {
    const stages: string[] = [];
    const report = await run.evaluate({ cells: 'clean,fixed:image:D', cache: at('cache'), onProgress: (event) => void (event.kind === 'stage' && stages.push(event.stage)) }); // prettier-ignore
    expect(report).toMatchObject({ folder: join(run.folder, 'eval', 'test'), evaluation: { posts: 4 } });
    expect(report.cells.map(({ cell }) => cell)).toEqual(['clean', 'fixed:image:D']);
    expect(report.accuracy).toBe(report.cells[0]?.report.accuracy);
    expect(await readdir(report.folder)).toEqual(expect.arrayContaining(['report.html', 'results.json']));
    expect(stages.length).toBeGreaterThan(0);
    const other = { cells: 'clean', cache: at('cache') } as const;
    const fromFile = await run.evaluate({ ...other, data: file, out: at('report') });
    const rows = posts.map((post, i) => ({ ...post, id: i + 1 }));
    const fromMemory = await run.evaluate({ ...other, data: rows, out: at('report-2') });
    expect(fromMemory.accuracy).toBe(fromFile.accuracy);
    expect([fromMemory.folder, fromMemory.evaluation.posts]).toEqual([at('report-2'), 40]);
    const stopped = run.evaluate({ ...other, signal: AbortSignal.abort() });
    await expect(stopped).rejects.toMatchObject({ code: 'interrupted', folder: null });
    const controller = new AbortController();
    const onProgress = (event: WorkEvent): void => {
      if (event.kind === 'stage' && event.unit === 'cells' && event.done === 1) controller.abort();
    };
    const partly = run.evaluate({ ...other, cells: 'fixed', onProgress, signal: controller.signal, out: at('part') });
    await expect(partly).rejects.toMatchObject({ code: 'interrupted', folder: at('part.partial') });
    const written = JSON.parse(await readFile(at('part.partial', 'results.json'), 'utf8')) as EvaluationReport;
    expect([written.cells[0]?.cell, written.cells.length + written.missingCells.length]).toEqual(['clean', 7]);
  });

  it('is complete by itself: it can be moved, with the posts that came from memory', async () => {
    await rename(at('stream'), at('moved'));
    await using moved = await openRun(at('moved'));
    expect((await moved.evaluate({ cells: 'clean', cache: at('cache') })).evaluation.posts).toBe(4);
  });
});
