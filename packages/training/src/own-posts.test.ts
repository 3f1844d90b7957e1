// Whole trainings on files of posts as people have them, with encoders that cost nothing.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UnusableDataError } from '@drf/datasets';
import { openExperimentData, openRun, parseExperiment, RunFolder, type ExperimentData } from '@drf/experiment';
import { plainTiff } from '@drf/experiment/testing';
import { createRandom, flattenTree, type HostTensor, type HostTree, type Modality } from '@drf/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assertLearnable, dataSummary, dataWarnings, decodedSummary } from './data-summary.js';
import { createDisplay } from './display.js';
import { tinySession } from './testing/tiny-session.js';
import { train } from './train.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-own-'));
  await mkdir(join(folder, 'images'));
  await writeFile(join(folder, 'images', 'red.jpg'), plainTiff(16, [255, 32, 16]));
  await writeFile(join(folder, 'images', 'blue.jpg'), plainTiff(16, [16, 32, 255]));
  await writeFile(join(folder, 'images', 'cut.jpg'), plainTiff(16, [255, 32, 16]).subarray(0, 300));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function write(name: string, header: string, rows: readonly (readonly string[])[]): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, [header, ...rows.map((row) => row.join(','))].join('\n'));
  return file;
}

interface Shape {
  readonly posts: number;
  readonly lacksImage?: (i: number) => boolean;
  readonly lacksText?: (i: number) => boolean;
  readonly text?: string;
  readonly image?: string;
}

/** Two classes that show in both modalities. */
function twoClasses(name: string, { posts, lacksImage, lacksText, text, image }: Shape): Promise<string> {
  const rows = Array.from({ length: posts }, (_, i) => {
    const isFirst = i % 2 === 0;
    const words = text ?? (isFirst ? 'a b' : 'c d');
    const picture = `images/${image ?? (isFirst ? 'red' : 'blue')}.jpg`;
    return [lacksText?.(i) === true ? '' : words, lacksImage?.(i) === true ? '' : picture, isFirst ? 'up' : 'down'];
  });
  return write(name, 'text,image,label', rows);
}

interface Wanted {
  readonly method?: string;
  readonly training?: object;
  readonly dataset?: object;
}

function configFor(file: string, { method = 'drf', training = {}, dataset = {} }: Wanted = {}) {
  return parseExperiment(
    {
      name: 'own',
      method,
      seed: 2,
      engine: 'eager:cpu',
      dataset: { name: 'posts', file, imageSize: 16, ...dataset },
      model: { dim: 4, queueCapacity: 16, gaussianRank: 2, gateHidden: 2, standardize: true },
      compared: { heads: 2, width: 4, words: 4, objects: 2, scenes: 2 },
      training: { epochs: 1, batchSize: 8, learningRate: 1e-2, ...training },
    },
    'own',
  );
}

let runs = 0;
async function trained(file: string, wanted: Wanted = {}) {
  const run = await RunFolder.create(join(folder, `run-${++runs}`), { overwrite: false });
  const config = configFor(file, wanted);
  const services = { startSession: tinySession };
  const cache = join(folder, 'cache');
  const result = await train({ config, run, resume: false, cache, display: createDisplay(true), services });
  const losses = (await run.readMetrics()).map((row) => (row.type === 'epoch' ? row.trainLoss : row.total));
  expect(losses.every(Number.isFinite)).toBe(true);
  return { run, result, opened: await openRun(run.path) };
}

const rowsInUse = (memory: HostTree, modality: Modality): number => {
  const { data } = flattenTree<HostTensor>(memory).get(`${modality}.rowWeights`) as HostTensor;
  return [...data].filter((weight) => weight > 0).length;
};

describe('training on posts that lack a modality', () => {
  const some = { posts: 24, lacksImage: (i: number) => i % 5 === 0, lacksText: (i: number) => i % 5 === 1 };

  it.each(['drf', 'drf-paper', 'concatenation', 'hsan', 'clmlf', 'mvcn'])('%s learns them', async (method) => {
    const { opened } = await trained(await twoClasses('some.csv', some), { method });
    const values = [...flattenTree<HostTensor>(opened.parameters).values()].flatMap(({ data }) => [...data]);
    expect(values.every(Number.isFinite)).toBe(true);
  });

  it.each(['drf', 'drf-paper'])('%s remembers real features only', async (method) => {
    const texts = { posts: 40, lacksImage: () => true };
    const onTexts = (await trained(await twoClasses('texts.csv', texts), { method })).opened.memory;
    expect([rowsInUse(onTexts, 'image'), rowsInUse(onTexts, 'text') > 0]).toEqual([0, true]);
    const images = { posts: 40, lacksText: () => true };
    const onImages = (await trained(await twoClasses('images.csv', images), { method })).opened.memory;
    expect([rowsInUse(onImages, 'image') > 0, rowsInUse(onImages, 'text')]).toEqual([true, 0]);
    const few = { posts: 40, lacksImage: (i: number) => i % 8 !== 0 }; // four training posts with an image
    const { run, opened } = await trained(await twoClasses('few.csv', few), { method, training: { epochs: 1 } });
    const ids = (JSON.parse(await readFile(run.file('splits', 'train.json'), 'utf8')) as { ids: string[] }).ids;
    const withImage = ids.filter((id) => (Number(id) - 1) % 8 === 0).length;
    expect(rowsInUse(opened.memory, 'image')).toBeLessThanOrEqual(withImage);
  });

  it.each(['drf', 'drf-paper', 'hsan'])('%s takes constant columns', async (method) => {
    await trained(await twoClasses('one-text.csv', { posts: 30, text: 'a' }), { method });
    await trained(await twoClasses('one-image.csv', { posts: 30, image: 'red' }), { method });
  });
});

describe('labels', () => {
  const random = createRandom(5);
  const many = Array.from({ length: 900 }, (_, i) => {
    const label = i < 400 ? random.integer(200) : Math.floor(200 * random.uniform() ** 3); // uneven
    return [`text ${i}`, '', `class ${label}`];
  });

  it('may be 200, unevenly; weights are in configuration and checkpoint', async () => {
    const file = await write('many.csv', 'text,image,label', many);
    const { run, opened } = await trained(file, { training: { epochs: 1, classWeights: 'balanced' } });
    const { config, classes } = await run.readDescription();
    expect([classes.length > 150, config.training.classWeights]).toEqual([true, 'balanced']);
    const weights = opened.parameters.fixed?.classWeights as HostTensor;
    expect(weights.shape).toEqual([classes.length]);
    expect(Math.max(...weights.data) / Math.min(...weights.data)).toBeGreaterThan(5);
    const data = await openExperimentData(configFor(file).dataset);
    const text = dataSummary(data);
    expect(text.split('\n').length).toBeLessThan(60);
    expect(text).toMatch(/… \d+ more/);
    expect(dataWarnings(data).join('\n')).toContain('--training.class-weights balanced makes rare ones count as much');
    const learned = new Set(data.splits.train.map(({ label }) => label));
    expect(learned.size).toBe(data.dataset.classes.length); // every class has a training post
  });

  it('of one post are trained on, with a warning; alike ones are told', async () => {
    const rows = [...Array.from({ length: 28 }, (_, i) => ['a', '', i % 2 === 0 ? 'up' : 'down']), ['b', '', 'lone'], ['c', '', 'Up ']]; // prettier-ignore
    const data = await openExperimentData(configFor(await write('lone.csv', 'text,image,label', rows)).dataset);
    const labels = data.splits.train.map(({ label }) => data.dataset.classes[label]);
    expect(labels).toContain('lone');
    expect([data.splits.train.length, data.splits.val.length, data.splits.test.length]).toEqual([24, 3, 3]);
    expect(dataWarnings(data)).toEqual([
      '2 classes have a single post ("Up", "lone"): it is used for training, and nothing can test them; bring more posts, or give them a common label',
      'labels that differ in nothing but case or spaces are different classes: "Up", "up"; --dataset.labels.ignore-case true joins them',
      'classes have from 1 to 14 posts; --training.class-weights balanced makes rare ones count as much',
      'no post has an image',
      '3 validation posts and 3 test posts say little: each of the former is 33 points of accuracy; pnpm eval grid table-3 --folds 5 judges every post',
    ]);
    const joined = await openExperimentData(
      configFor(join(folder, 'lone.csv'), { dataset: { labels: { ignoreCase: true, drop: ['lone'] } } }).dataset,
    );
    expect(joined.dataset.classes).toEqual(['up', 'down']);
    expect(dataWarnings(joined).join()).not.toMatch(/single post|nothing but case/);
  });

  it('that say that there is none are pointed out', async () => {
    const rows = Array.from({ length: 30 }, (_, i) => ['a', '', ['up', 'down', 'nan'][i % 3] as string]);
    const data = await openExperimentData(configFor(await write('nan.csv', 'text,image,label', rows)).dataset);
    expect(dataWarnings(data)).toContain(
      '"nan" is a class (10 posts): if it means that there is no label, leave them out with --dataset.labels.drop "nan"',
    );
  });

  const open = async (rows: string[][]): Promise<ExperimentData> =>
    openExperimentData(configFor(await write('labels.csv', 'text,image,label', rows)).dataset);

  it('must be two at least, and repeat', async () => {
    const one = await open(Array.from({ length: 20 }, () => ['a', '', 'up']));
    expect(() => assertLearnable(one)).toThrow(
      /labels.csv expected at least two classes, with several posts each, received 20 posts of one class, "up"; check the column of labels \(--columns label=NAME\)/,
    );
    const each = await open(Array.from({ length: 20 }, (_, i) => ['a', '', `label ${i}`]));
    expect(() => assertLearnable(each)).toThrow(/received 20 posts, each with a label of its own/);
    await expect(open(Array.from({ length: 5 }, (_, i) => ['a', '', i % 2 === 0 ? 'x' : 'y']))).rejects.toThrow(
      'Split val expected at least one post, received none of 5; raise its fraction or bring more posts',
    );
  });
});

describe('a run on one’s own posts', () => {
  it('lists dropped rows with line and reason, those whose image does not decode too', async () => {
    const rows = Array.from({ length: 40 }, (_, i) => ['a b', 'images/red.jpg', i % 2 === 0 ? 'up' : 'down']);
    rows[3] = ['a', 'images/none.jpg', 'up'];
    rows[5] = ['a', 'images/cut.jpg', 'up'];
    rows[7] = ['a', '', ''];
    const { run } = await trained(await write('bad.csv', 'text,image,label', rows));
    const lines = (await readFile(run.file('rejected.jsonl'), 'utf8')).trim().split('\n');
    const rejected = lines.map((line) => JSON.parse(line) as { line: number | null; id: string; reason: string });
    expect(rejected.map(({ line, id, reason }) => [line, id, reason])).toEqual([
      [9, '8', 'missing label'],
      [5, '4', 'missing image'],
      [7, '6', 'undecodable image'],
    ]);
    const { kept, dropped } = JSON.parse(await readFile(run.file('ledger.json'), 'utf8')) as Record<string, number>;
    expect([kept, dropped]).toEqual([37, 3]);
  });

  it('says that images do not decode where that leaves nothing', async () => {
    const rows = Array.from({ length: 20 }, (_, i) => ['a b', 'images/cut.jpg', i % 2 === 0 ? 'up' : 'down']);
    const file = await write('cut.csv', 'text,image,label', rows);
    const error: unknown = await trained(file).catch((thrown: unknown) => thrown);
    expect((error as Error).message).toMatch(
      /cut.csv expected enough usable rows \(Training split of posts: at least one usable post\), received 4 of 20 \(16 have an image that cannot be decoded; the first: .*\); restore or convert the images/,
    );
    const rejected = await readFile(join(folder, `run-${runs}`, 'rejected.jsonl'), 'utf8');
    expect(rejected.trim().split('\n')).toHaveLength(16);
  });

  it('says why too few rows are left, and lists them', async () => {
    const rows = Array.from({ length: 40 }, (_, i) => ['1.29403E+18', 'a', i % 2 === 0 ? 'up' : 'down']);
    const file = await write('ids.csv', 'id,text,label', rows);
    await expect(openExperimentData(configFor(file).dataset)).rejects.toThrow(
      /received 1 of 40 \(39 have an id that an earlier row has; the first: ids.csv, line 3 expected each id once, .*leave the column of ids out \(--columns id=\)/,
    );
    await expect(trained(file)).rejects.toThrow(UnusableDataError);
    const path = join(folder, `run-${runs}`);
    const ledger = JSON.parse(await readFile(join(path, 'ledger.json'), 'utf8')) as { kept: number; dropped: number };
    expect([ledger.kept, ledger.dropped]).toEqual([1, 39]);
    expect((await readFile(join(path, 'rejected.jsonl'), 'utf8')).trim().split('\n')).toHaveLength(39);
    const numbered = await openExperimentData(configFor(file, { dataset: { columns: { id: '' } } }).dataset);
    expect(numbered.dataset.records.map(({ id }) => id).slice(0, 3)).toEqual(['1', '2', '3']);
  });

  it('warns of a file without a usable row', async () => {
    const half = (label: string): string[] => ['a', '', label];
    const files = [
      await write(
        'train.csv',
        'text,image,label',
        Array.from({ length: 20 }, (_, i) => half(i % 2 === 0 ? 'x' : 'y')),
      ),
      await write(
        'test.csv',
        'text,image,label',
        Array.from({ length: 4 }, () => ['a', 'images/none.jpg', 'x']),
      ),
    ];
    const data = await openExperimentData({ ...configFor('x').dataset, file: files });
    expect(dataWarnings(data)).toContain('test.csv: none of its 4 rows is used');
    expect(dataWarnings(data)).toContain(
      '4 of 24 rows name an image that is not there and are not used: say which folder their paths start from (--dataset.root DIR) or which column holds them (--columns image=NAME)',
    );
    data.dataset.ledger.reject({ id: '23', reason: 'undecodable image' });
    expect(decodedSummary(data, { train: 17, val: 2 })).toMatch(
      /^1 more left out while encoding: kept 19 of 24 rows; training on 17 posts, validating on 2\nwarning: 4 of 24 rows/,
    );
  });

  it('warns of a validation split without a class, and of splits of no known name', async () => {
    const splits = ['train', 'train', 'train', 'train', 'dev', 'holdout', 'A'];
    const rows = Array.from({ length: 28 }, (_, i) => ['a', splits[i % 7] === 'dev' ? 'x' : i % 2 === 0 ? 'x' : 'y', splits[i % 7] as string]); // prettier-ignore
    const data = await openExperimentData(configFor(await write('split.csv', 'text,label,split', rows)).dataset);
    expect(Object.values(data.splits).map(({ length }) => length)).toEqual([16, 4, 4]);
    const warnings = dataWarnings(data);
    expect(warnings).toContain('split "A" is none of train, val and test: its 4 posts are not used; rename it');
    expect(warnings).toContain(
      'no validation posts of "y": the epoch is chosen, and probabilities are calibrated, without them; change the splits, or bring more posts',
    );
    const unknown = rows.map(([text = '', label = '']) => [text, label, 'A']);
    await expect(
      openExperimentData(configFor(await write('unknown.csv', 'text,label,split', unknown)).dataset),
    ).rejects.toThrow(
      /expected posts in the split train, received splits "A"; call one of them train, or do without them: --columns split=/,
    );
  });

  it('takes splits that a column or files name', async () => {
    const rows = Array.from({ length: 30 }, (_, i) => ['a', i % 2 === 0 ? 'x' : 'y', i < 20 ? 'Train' : i < 25 ? 'dev' : 'test']); // prettier-ignore
    const column = await openExperimentData(configFor(await write('split.csv', 'text,label,split', rows)).dataset);
    const sizes = ({ splits }: ExperimentData): number[] => [splits.train.length, splits.val.length, splits.test.length]; // prettier-ignore
    expect(sizes(column)).toEqual([20, 5, 5]);
    const inFile = rows.map((row) => row.slice(0, 2));
    const files = [
      await write('train.csv', 'text,label', inFile.slice(0, 20)),
      await write('val.csv', 'text,label', inFile.slice(20, 25)),
      await write('test.csv', 'text,label', inFile.slice(25)),
    ];
    expect(sizes(await openExperimentData({ ...configFor('x').dataset, file: files }))).toEqual([20, 5, 5]);
  });
});
