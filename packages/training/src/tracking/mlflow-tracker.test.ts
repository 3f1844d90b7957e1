import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseExperiment, RunFolder } from '@drf/experiment';
import { writeJsonAtomic } from '@drf/files';
import { findProgram } from '@drf/terminal';
import { createDisplay } from '../display.js';
import { startMlflowServer, type MlflowRun, type MlflowServer } from '../testing/mlflow-server.js';
import { tinySession } from '../testing/tiny-session.js';
import { train, type TrainOptions } from '../train.js';
import { MlflowTracker, TRACKING_FILE } from './mlflow-tracker.js';
import { openTracker } from './open-tracker.js';
import { trackEvaluation } from './track-training.js';
import type { TrackedRun } from './tracker.js';

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'drf-tracking-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const trackerOf = ({ url }: Pick<MlflowServer, 'url'>, options = {}) =>
  new MlflowTracker({ url, retryDelayMs: 1, patienceMs: 30_000, ...options });

async function tracked(changes: Partial<TrackedRun> = {}): Promise<TrackedRun> {
  return { name: 'mine', experiment: 'group', folder: await temporaryFolder(), parameters: { 'a.b': 1 }, tags: { t: 'x' }, kind: 'new', ...changes }; // prettier-ignore
}

const only = (server: MlflowServer): MlflowRun => [...server.runs.values()][0] as MlflowRun;

describe('MlflowTracker', () => {
  it('tells options, numbers and files within the limits of MLflow', async () => {
    const server = await startMlflowServer();
    const run = await tracked({ parameters: { ...Object.fromEntries(Array.from({ length: 230 }, (_, i) => [`o${i}`, i])), 'bad:name ü': 'x', long: 'y'.repeat(2000), list: [1, 2], off: null } }); // prettier-ignore
    await writeFile(join(run.folder, 'report.html'), '<p>');
    const tracker = trackerOf(server);
    tracker.begin(run);
    tracker.metrics({ loss: 0.5, nothing: null, broken: NaN, infinite: Infinity, 'test/a:b+c': 1 }, 3);
    tracker.metrics(Object.fromEntries(Array.from({ length: 2500 }, (_, i) => [`m${i}`, i])), 4);
    tracker.artifact('a b/report.html', join(run.folder, 'report.html'));
    tracker.artifact('missing', join(run.folder, 'missing'));
    expect(await tracker.end('finished')).toEqual([`Tracked at ${server.url}/#/experiments/1/runs/run1`]);
    expect([...server.experiments]).toEqual([['group', '1']]);
    const { name, status, tags, params, metrics, artifacts } = only(server);
    expect([name, status, [...tags], params.size, metrics.length]).toEqual([
      'mine',
      'FINISHED',
      [['t', 'x']],
      234,
      2502,
    ]);
    expect([params.get('list'), params.get('off'), params.get('bad_name _'), params.get('long')?.length]).toEqual(['[1,2]', 'null', 'x', 500]); // prettier-ignore
    expect(metrics.slice(0, 2)).toMatchObject([
      { key: 'loss', value: 0.5, step: 3 },
      { key: 'test/a_b_c', value: 1 },
    ]);
    expect(Math.abs((metrics[0]?.timestamp ?? 0) - Date.now())).toBeLessThan(60_000);
    expect([...artifacts]).toEqual([['a b/report.html', '<p>']]);
  });

  it('waits for a server that is away or busy, and tells it everything in order', async () => {
    const first = await startMlflowServer();
    const port = Number(new URL(first.url).port);
    await first.close();
    const tracker = trackerOf(first, { patienceMs: 30_000 });
    tracker.begin(await tracked());
    tracker.metrics({ loss: 1 }, 1);
    await wait(50);
    const server = await startMlflowServer(port);
    server.failing = { status: 503, times: 2 };
    tracker.metrics({ loss: 2 }, 2);
    expect(await tracker.end('interrupted')).toHaveLength(1);
    expect(only(server).metrics.map(({ value }) => value)).toEqual([1, 2]);
    expect(only(server).status).toBe('KILLED');
  });

  it('never waits, and says at the end what did not arrive', async () => {
    const tracker = trackerOf({ url: 'http://127.0.0.1:9' });
    tracker.begin(await tracked());
    for (let step = 0; step < 100; step++) tracker.metrics({ loss: step }, step);
    const notes = await tracker.end('finished');
    expect(notes).toEqual([expect.stringMatching(/^MLflow at http:\/\/127\.0\.0\.1:9 was not told everything: 103 of 103 messages did not arrive \(.+\)\.$/)]); // prettier-ignore
  });

  it('gives a server that hangs a few seconds and no more', async () => {
    const server = await startMlflowServer();
    server.delay = 60_000;
    const tracker = trackerOf(server, { patienceMs: 200 });
    tracker.begin(await tracked());
    const start = performance.now();
    expect(await tracker.end('finished')).toEqual([expect.stringMatching(/3 of 3 messages did not arrive \(no answer in time\)/)]); // prettier-ignore
    expect(performance.now() - start).toBeLessThan(server.delay / 2);
  });

  it('gives up at once where it is refused, and never shows the password', async () => {
    const server = await startMlflowServer();
    server.authorization = `Basic ${Buffer.from('me:secret').toString('base64')}`;
    const wrong = openTracker(`mlflow:${server.url}`, { MLFLOW_TRACKING_TOKEN: 'wrong-token' });
    wrong.begin(await tracked());
    wrong.metrics({ loss: 1 }, 1);
    const notes = (await wrong.end('finished')).join();
    expect(notes).toMatch(/4 of 4 messages did not arrive \(HTTP status 401: who are you\?\)/);
    expect(notes).not.toContain('wrong-token');
    const right = openTracker(`mlflow:${server.url}/other`, { MLFLOW_TRACKING_USERNAME: 'me', MLFLOW_TRACKING_PASSWORD: 'secret', MLFLOW_TRACKING_TOKEN: 'x' }); // prettier-ignore
    right.begin(await tracked());
    expect(await right.end('failed')).toHaveLength(1);
    expect([[...server.experiments.keys()], only(server).status]).toEqual([['other'], 'FAILED']);
  });

  it('goes on in the run that the folder knows, unless it is of another server or gone', async () => {
    const server = await startMlflowServer();
    const run = await tracked();
    const tell = async (kind: TrackedRun['kind'], value: number): Promise<void> => {
      const tracker = trackerOf(server);
      tracker.begin({ ...run, kind, parameters: { 'a.b': kind === 'new' ? 1 : 2 } });
      tracker.metrics({ loss: value }, value);
      expect(await tracker.end('finished')).toHaveLength(1);
    };
    await tell('new', 1);
    expect(JSON.parse(await readFile(join(run.folder, TRACKING_FILE), 'utf8'))).toEqual({ kind: 'mlflow', url: server.url, experimentId: '1', runId: 'run1' }); // prettier-ignore
    await tell('continue', 2);
    only(server).status = 'FAILED';
    await tell('extend', 3);
    expect([server.runs.size, only(server).status]).toEqual([1, 'FAILED']); // what is only extended has ended before
    expect(only(server).metrics.map(({ value }) => value)).toEqual([1, 2, 3]);
    server.requests.length = 0;
    await writeJsonAtomic(join(run.folder, TRACKING_FILE), {
      kind: 'mlflow',
      url: 'http://elsewhere.example',
      runId: 'run1',
    });
    await tell('continue', 4);
    expect(server.requests).not.toContain('GET mlflow/runs/get');
    await writeJsonAtomic(join(run.folder, TRACKING_FILE), { kind: 'mlflow', url: server.url, runId: 'deleted' });
    await tell('extend', 5);
    expect([server.runs.size, server.runs.get('run3')?.status]).toEqual([3, 'FINISHED']);
  });

  it('says that files were not sent where the server does not keep them itself', async () => {
    const server = await startMlflowServer();
    server.artifactUri = (id) => `s3://bucket/${id}?key=secret`;
    const run = await tracked();
    await writeFile(join(run.folder, 'a'), '');
    const tracker = trackerOf(server);
    tracker.begin(run);
    tracker.artifact('a', join(run.folder, 'a'));
    expect((await tracker.end('finished'))[1]).toBe('MLflow keeps artifacts at s3://bucket/run1, where they were not sent.'); // prettier-ignore
  });
});

it.each([
  ['mlflow:ftp://x', /expected mlflow:http:\/\/127\.0\.0\.1:5000, or .*, received "mlflow:ftp:\/\/x"/],
  ['wandb:http://x', /expected mlflow:/],
  ['http://127.0.0.1:5000', /expected mlflow:/],
  ['mlflow:http://127.0.0.1:5000/100%', /expected the name of an experiment as addresses spell it, received "100%"/],
  ['mlflow:http://me:secret@x', /expected an address without a password, received one with a password \(not shown\)/],
])('refuses %s', (text, message) => {
  expect(() => openTracker(text, {})).toThrow(message);
  expect(() => openTracker(text, {})).not.toThrow(/secret/);
});

describe('a training that is tracked', () => {
  async function options(changes: Partial<TrainOptions> = {}): Promise<TrainOptions> {
    const config = parseExperiment({ name: 'tiny', seed: 2, engine: 'eager:cpu', dataset: { name: 'embedded', imageSize: 16, limit: 24 }, model: { dim: 6, queueCapacity: 16 }, training: { epochs: 2, batchSize: 8 } }, 'tiny'); // prettier-ignore
    const folder = await temporaryFolder();
    const run = await RunFolder.create(join(folder, 'run'), { overwrite: false });
    return { config, run, resume: false, cache: join(folder, 'cache'), display: createDisplay(true), services: { startSession: tinySession }, ...changes }; // prettier-ignore
  }

  it('gives the same result as one that is not, with a server and without', async () => {
    const server = await startMlflowServer();
    const results: string[] = [];
    for (const tracker of [undefined, trackerOf(server), trackerOf({ url: 'http://127.0.0.1:9' })]) {
      const given = await options({ tracker });
      const { outcome, notes } = await train(given);
      expect(outcome).toBe('finished');
      expect(notes.some((note) => /Tracked at|was not told/.test(note))).toBe(tracker !== undefined);
      const rows = (await given.run.readMetrics()).map((row) => ({ ...row, seconds: 0 }));
      results.push(JSON.stringify(rows));
    }
    expect(new Set(results).size).toBe(1);
    const { status, params, metrics, artifacts } = only(server);
    expect([status, params.get('training.epochs'), params.get('dataset.root')]).toEqual(['FINISHED', '2', undefined]);
    expect(metrics.filter(({ key }) => key === 'train_loss').map(({ step }) => step)).toEqual([1, 2]);
    expect(metrics.map(({ key }) => key)).toContain('val_accuracy');
    expect([...artifacts.keys()]).toEqual(['report.html', 'README.md']);
  });

  it('goes on in its run, and an evaluation adds to it; one that fails says so', async () => {
    const server = await startMlflowServer();
    const given = await options();
    expect((await train({ ...given, tracker: trackerOf(server), stopAfterEpochs: 1 })).outcome).toBe('interrupted');
    expect(only(server).status).toBe('KILLED');
    await train({ ...given, tracker: trackerOf(server), resume: true });
    expect([server.runs.size, only(server).status]).toEqual([1, 'FINISHED']);
    expect(
      only(server)
        .metrics.filter(({ key }) => key === 'train_loss')
        .map(({ step }) => step),
    ).toEqual([1, 2]);
    const report = { accuracy: 0.5, weightedF1: 0.4, macroF1: 0.3 };
    await trackEvaluation(trackerOf(server), given.run, given.config, { evaluation: { split: 'test' }, cells: [{ cell: 'random:0.6:C+D', report }] }); // prettier-ignore
    expect(only(server).metrics.slice(-3).map(({ key, value }) => [key, value])).toEqual([['test/random-0.6-CandD/accuracy', 0.5], ['test/random-0.6-CandD/weighted_f1', 0.4], ['test/random-0.6-CandD/macro_f1', 0.3]]); // prettier-ignore
    const openData = () => Promise.reject(new Error('no data'));
    await expect(train({ ...(await options()), tracker: trackerOf(server), services: { openData } })).rejects.toThrow('no data'); // prettier-ignore
    expect(server.runs.get('run2')?.status).toBe('FAILED');
  });
});

/** MLflow itself, which is large and no part of an install: its program, or the address of a server that runs. */
const mlflow = process.env['DRF_MLFLOW'] ?? (await findProgram(['mlflow']));

/** Starts a server with a folder of its own. @returns its address */
async function startMlflow(program: string): Promise<string> {
  const folder = await temporaryFolder();
  const port = 5600 + (process.pid % 300);
  const args = ['server', '--host', '127.0.0.1', '--port', String(port), '--workers', '1', '--backend-store-uri', `sqlite:///${join(folder, 'ml.db')}`, '--artifacts-destination', join(folder, 'artifacts')]; // prettier-ignore
  const server = spawn(program, args, { stdio: 'ignore', detached: true });
  onTestFinished(() => void process.kill(-(server.pid as number)));
  const url = `http://127.0.0.1:${port}`;
  const isUp = (): Promise<boolean> => fetch(`${url}/health`).then(({ ok }) => ok, () => false); // prettier-ignore
  while (!(await isUp())) await wait(500); // until the test's own time is up
  return url;
}

it.skipIf(mlflow === undefined)('speaks with MLflow itself (skipped unless mlflow is on the path, or DRF_MLFLOW names it)', async () => {
  const url = mlflow?.startsWith('http') === true ? mlflow : await startMlflow(mlflow as string);
  const run = await tracked({ parameters: { text: 'y'.repeat(500), 'a.b': [1] } });
  await writeFile(join(run.folder, 'README.md'), '# card');
  for (const kind of ['new', 'continue', 'extend'] as const) {
    const tracker = new MlflowTracker({ url, experiment: 'ex', patienceMs: 60_000 });
    tracker.begin({ ...run, kind });
    tracker.metrics({ 'test/clean/accuracy': 0.5, loss: 1 }, 1);
    tracker.artifact('README.md', join(run.folder, 'README.md'));
    expect(await tracker.end('finished')).toEqual([expect.stringContaining('Tracked at')]);
  }
  const { runId } = JSON.parse(await readFile(join(run.folder, TRACKING_FILE), 'utf8')) as { runId: string };
  const found = (await (await fetch(`${url}/api/2.0/mlflow/runs/get?run_id=${runId}`)).json()) as { run: { info: object; data: { params: object[]; metrics: object[] } } }; // prettier-ignore
  expect(found.run.info).toMatchObject({ status: 'FINISHED', run_name: 'mine' });
  expect([found.run.data.params.length, found.run.data.metrics.length]).toEqual([2, 2]);
  const artifacts = await (await fetch(`${url}/api/2.0/mlflow/artifacts/list?run_id=${runId}`)).json();
  expect(artifacts).toMatchObject({ files: [{ path: 'README.md' }] });
}, 300_000); // prettier-ignore
