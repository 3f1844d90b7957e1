import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseExperiment, RunFolder } from '@drf/experiment';
import { readEnsemble } from '@drf/files';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDisplay } from './display.js';
import { startMlflowServer } from './testing/mlflow-server.js';
import { tinySession } from './testing/tiny-session.js';
import { openTracker } from './tracking/open-tracker.js';
import { readFoldsConfig, trainFolds, type FoldsOptions } from './train-folds.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-folds-'));
  const rows = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? `a b ${i},up` : `c d ${i},down`));
  await writeFile(join(folder, 'posts.csv'), ['text,label', ...rows].join('\n'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function optionsFor(name: string, training: object = {}, dataset: object = { folds: 2 }): FoldsOptions {
  const config = parseExperiment(
    {
      name: 'own',
      method: 'concatenation',
      engine: 'eager:cpu',
      dataset: { name: 'posts', file: join(folder, 'posts.csv'), imageSize: 16, ...dataset },
      model: { dim: 4 },
      training: { epochs: 2, batchSize: 8, learningRate: 1e-2, ...training },
    },
    'own',
  );
  return {
    config,
    folder: join(folder, name),
    cache: join(folder, 'cache'),
    display: createDisplay(true),
    services: { startSession: tinySession },
  };
}

const result = async (run: string): Promise<Buffer> => readFile(await (await RunFolder.open(run)).resultCheckpoint());

describe('training all folds', () => {
  it('makes an ensemble of runs that each leave out other posts', async () => {
    const { outcome, runs, trained } = await trainFolds(optionsFor('whole'));
    expect(outcome).toBe('finished');
    expect(trained).toHaveLength(2);
    expect((await readEnsemble(join(folder, 'whole')))?.map((member) => member.folder)).toEqual(runs);
    const tested = await Promise.all(
      runs.map(
        async (run) => JSON.parse(await readFile(join(run, 'splits', 'test.json'), 'utf8')) as { ids: string[] },
      ),
    );
    const ids = tested.flatMap((split) => split.ids);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toHaveLength(36); // all but the validation posts
  });

  it('goes on where it stopped, with the same results as without a stop', async () => {
    const options = optionsFor('stopped');
    const first = await trainFolds({ ...options, stopAfterEpochs: 1 });
    expect(first).toMatchObject({ outcome: 'interrupted', runs: [] });
    expect(await readEnsemble(options.folder)).toBeUndefined();
    expect(await readFoldsConfig(options.folder)).toMatchObject({ dataset: { folds: 2, fold: 1 } });
    const second = await trainFolds(options);
    expect(second.trained).toHaveLength(2);
    for (const fold of ['fold1', 'fold2']) {
      expect(await result(join(options.folder, fold))).toEqual(await result(join(folder, 'whole', fold)));
    }
    expect((await trainFolds(options)).trained).toEqual([]); // finished folds are not trained again
  });

  it('tells a server of each fold as of a run of its own, in which a fold that was stopped goes on', async () => {
    const server = await startMlflowServer();
    const options = { ...optionsFor('tracked'), openTracker: () => openTracker(`mlflow:${server.url}`, {}) };
    await trainFolds({ ...options, stopAfterEpochs: 1 });
    const { trained } = await trainFolds(options);
    const told = [...server.runs.values()].map(({ name, status, metrics }) => [name, status, metrics.filter(({ key }) => key === 'train_loss').map(({ step }) => step)]); // prettier-ignore
    expect(told).toEqual([
      ['tracked/fold1', 'FINISHED', [1, 2]],
      ['tracked/fold2', 'FINISHED', [1, 2]],
    ]);
    expect(trained.map(({ notes }) => notes.at(-1))).toEqual([...server.runs.keys()].map((id) => `Tracked at ${server.url}/#/experiments/1/runs/${id}`)); // prettier-ignore
  });

  it('refuses other options in the same folder, and starts anew when told to', async () => {
    const other = optionsFor('whole', { epochs: 1 });
    await expect(trainFolds(other)).rejects.toThrow('expected a fold trained with training.epochs 1');
    const { trained } = await trainFolds({ ...other, overwrite: true });
    expect(trained).toHaveLength(2);
  });

  it('refuses folders of something else, and experiments without folds', async () => {
    await writeFile(join(folder, 'whole', 'notes.txt'), '');
    await expect(trainFolds({ ...optionsFor('whole'), overwrite: true })).rejects.toThrow('received notes.txt');
    expect(await readdir(join(folder, 'whole'))).toContain('fold1');
    await expect(trainFolds(optionsFor('none', {}, {}))).rejects.toThrow('say how many: --dataset.folds 5');
    expect(await readFoldsConfig(folder)).toBeUndefined();
  });
});
