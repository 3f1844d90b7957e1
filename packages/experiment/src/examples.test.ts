import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readJson } from '@drf/files';
import { readImageHeader } from '@drf/preprocessing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openExperimentData, parseExperiment, RunFolder, writeExamples, type ExperimentData, type RunExamples } from './index.js'; // prettier-ignore
import { exampleCount } from './examples.js';
import { plainTiff } from './testing/index.js';

let folder: string;
let data: ExperimentData;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-examples-'));
  await mkdir(join(folder, 'images'));
  await writeFile(join(folder, 'images/red.tif'), plainTiff(400, [255, 32, 16]));
  await writeFile(join(folder, 'images/cut.tif'), plainTiff(16, [255, 32, 16]).subarray(0, 300));
  const rows = [
    '0,a b,images/red.tif,up,train',
    '1,c d,images/red.tif,down,train',
    '2,only words,,up,test',
    `3,${'long 😀'.repeat(400)},images/red.tif,up,test`,
    '4,whole too,images/red.tif,up,test',
    '5,broken,images/cut.tif,down,test',
    '6,not broken,images/red.tif,down,test',
  ];
  await writeFile(join(folder, 'posts.csv'), ['id,text,image,label,split', ...rows].join('\n'));
  const dataset = { name: 'posts', file: join(folder, 'posts.csv'), imageSize: 400 } as const;
  data = await openExperimentData(parseExperiment({ name: 'own', dataset }, 'own').dataset);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const newRun = (name: string): Promise<RunFolder> => RunFolder.create(join(folder, name), { overwrite: false });

describe('writeExamples', () => {
  it('keeps whole posts first, a class in turn, small, and passes over what cannot be read', async () => {
    const run = await newRun('run');
    await writeExamples(run, data, 3);
    const { posts, split } = (await readJson(run.file('examples', 'examples.json'))) as RunExamples;
    expect(split).toBe('test');
    expect(posts.map(({ id, label, image }) => [id, label, image])).toEqual([
      ['3', 'up', '0.jpg'],
      ['6', 'down', '1.jpg'],
      ['4', 'up', '2.jpg'],
    ]);
    expect(posts[0]?.text).toHaveLength(2000); // and no half of an emoji
    expect(posts[0]?.text).not.toMatch(/[\uD800-\uDBFF]$/);
    const bytes = await readFile(run.file('examples', '0.jpg'));
    expect(bytes.length).toBeLessThan(40_000);
    expect(await readImageHeader('example', bytes, 1e6)).toEqual({ width: 320, height: 320, format: 'jpeg' });
  });

  it('takes posts without an image where no others are left, and says the same twice', async () => {
    const [one, other] = [await newRun('one'), await newRun('other')];
    for (const run of [one, other]) await writeExamples(run, data, 10);
    const text = await readFile(one.file('examples', 'examples.json'), 'utf8');
    expect((JSON.parse(text) as RunExamples).posts.map(({ id, image }) => [id, image])).toEqual([
      ['3', '0.jpg'],
      ['6', '1.jpg'],
      ['4', '2.jpg'],
      ['2', null],
    ]);
    expect(await readFile(other.file('examples', 'examples.json'), 'utf8')).toBe(text);
  });

  it('writes nothing where none are wanted', async () => {
    const run = await newRun('none');
    await writeExamples(run, data, 0);
    expect(await readdir(run.path)).not.toContain('examples');
  });
});

describe('exampleCount', () => {
  it('copies one’s own posts, and public ones only when asked', () => {
    const config = (dataset: object) => parseExperiment({ name: 'x', dataset }, 'x').dataset;
    const counts = [config({ name: 'posts', file: 'x.csv' }), config({ name: 'mvsa-single', root: 'x' }), config({ name: 'embedded' })].map((each) => [exampleCount(each), exampleCount(each, 2), exampleCount(each, 0)]); // prettier-ignore
    expect(counts).toEqual([
      [6, 2, 0],
      [0, 2, 0],
      [0, 2, 0],
    ]);
  });
});
