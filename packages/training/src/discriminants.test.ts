import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fitStateDiscriminants, GroupMoments, type StateDiscriminants } from '@drf/distribution';
import { createEngine } from '@drf/engine';
import {
  createMethod,
  encodeRecords,
  fitRunDiscriminants,
  memoryRows,
  notesOnRun,
  openExperimentData,
  openRun,
  parseExperiment,
  RunFolder,
  Simulation,
  trainedEncoders,
  type ExperimentConfig,
  type FeatureRows,
  type FeatureSet,
  type OpenedRun,
  type Session,
} from '@drf/experiment';
import { tinyTrainableImage, tinyTrainableText } from '@drf/experiment/testing';
import { hostTensor, type Engine, type HostTensor, type HostTree, type Modality } from '@drf/tensor';
import { toTensor } from '@drf/tensor/transfer';
import { createDisplay } from './display.js';
import { separablePosts, tinyConfig, tinyOptions } from './testing/tiny-run.js';
import { tinySession } from './testing/tiny-session.js';
import { train, type TrainOptions, type TrainResult } from './train.js';
import { Trainer } from './trainer.js';

let engine: Engine;
beforeAll(async () => {
  await tf.setBackend('cpu');
  engine = await createEngine('eager:cpu');
});
afterAll(() => engine.dispose());

const fittedIn = ({ parameters }: OpenedRun): HostTree => (parameters.fixed as HostTree).discriminants as HostTree;

/** Discriminants of rows that are known. */
async function fitTo(
  width: number,
  classes: number,
  states: Readonly<Record<'intact' | 'corrupted', readonly (readonly [rows: HostTensor, labels: number[]])[]>>,
): Promise<StateDiscriminants> {
  const moments = async (parts: readonly (readonly [HostTensor, number[]])[]) => {
    const own = await GroupMoments.create(engine, { width, groups: classes });
    for (const [rows, labels] of parts) await own.add(rows, labels);
    return own.within();
  };
  return fitStateDiscriminants(engine, {
    intact: await moments(states.intact),
    corrupted: await moments(states.corrupted),
  });
}

describe('discriminants of a run', () => {
  it('are of intact outputs, of those that training corrupts, and of simulated corruptions of intact ones', async () => {
    const config = parseExperiment({ ...tinyConfig(), method: 'concatenation', model: { dim: 8, discriminants: 0.25 } }, 'tiny'); // prettier-ignore
    const posts = separablePosts(60, 4);
    const intact = Float32Array.from(posts.image.available, (known, i) => (known === 1 && i % 4 !== 1 ? 1 : 0));
    const set: FeatureSet = { ...posts, image: { ...posts.image, intact } };
    const shifted = (modality: Modality, by: number): FeatureRows => {
      const { rows } = set[modality];
      const all = rows.gather([...set.ids.keys()]) as HostTensor;
      return memoryRows(
        hostTensor(
          Float32Array.from(all.data, (value) => value + by),
          all.shape,
        ),
      );
    };
    const versions = (modality: Modality) => [10, -10].map((by) => ({ rows: shifted(modality, by) }));
    const simulated = { image: { corrupted: versions('image') }, text: { corrupted: versions('text') } };
    const simulation = new Simulation({ share: 0.5, discard: 0.5, draws: 2 }, simulated, config.seed);
    const options = { ...(await tinyOptions(engine, config)), train: set, simulation };
    const shapes = { imageDim: 6, textDim: 5, classes: 3 };
    const method = createMethod(config, shapes);
    const trainer = await Trainer.create({ ...options, method });
    await trainer.fit();
    await trainer.dispose();
    const { run } = options;
    await run.writeDescription({ config, classes: options.classes, encoders: { image: 'a', text: 'b' }, shapes, posts: { train: [], val: [], test: [] }, engine: engine.name, versions: { node: '', platform: '', packages: {}, git: null }, createdAt: '2026-01-01T00:00:00.000Z' }); // prettier-ignore
    const before = await openRun(run.path);
    expect(fittedIn(before).share).toEqual(hostTensor([0], []));
    const session = await tinySession();
    await fitRunDiscriminants({ config, run, session, method, shapes, train: set, simulation });
    await session.dispose();
    const after = await openRun(run.path);
    expect(after.parameters.trained).toEqual(before.parameters.trained);
    const places = [...set.ids.keys()];
    const whole = places.filter((place) => intact[place] === 1);
    const touched = places.filter((place) => posts.image.available[place] === 1 && intact[place] === 0);
    expect([whole.length, touched.length]).toEqual([36, 12]);
    const gathered = (rows: FeatureRows, own: number[]) =>
      [rows.gather(own) as HostTensor, own.map((place) => set.labels[place] as number)] as const;
    const due = await fitTo(6, 3, {
      intact: [gathered(set.image.rows, whole)],
      corrupted: [gathered(set.image.rows, touched), ...versions('image').map(({ rows }) => gathered(rows, whole))],
    });
    expect(fittedIn(after).image).toEqual(due);
    const counts = [20, 20, 20].map((count) => Math.log((count + 0.5) / 61.5));
    expect(fittedIn(after)).toMatchObject({ share: hostTensor([0.25], []), logPrior: hostTensor(counts, [3]) });
  });

  it('are of the outputs of encoders as training leaves them', async () => {
    const config = tinyExperiment({ encoderLearningRate: 5e-2 });
    const encoders = { image: tinyTrainableImage(), text: tinyTrainableText() };
    const session: Session = { engine, ...encoders, dispose: async () => undefined };
    const folder = join(await mkdtemp(join(tmpdir(), 'drf-discriminants-')), 'run');
    const run = await RunFolder.create(folder, { overwrite: false });
    await train({ config, run, resume: false, cache: `${folder}-cache`, display: createDisplay(true), services: { startSession: async () => session } }); // prettier-ignore
    const opened = await openRun(folder, undefined, async () => trainedEncoders(session));
    const data = await openExperimentData(config.dataset);
    const { set } = await encodeRecords({ dataset: data.dataset, records: data.splits.train, strategy: { kind: 'none' }, seed: 0, session }); // prettier-ignore
    const classes = data.dataset.classes.length;
    const rowsOf = async (modality: Modality, parameters: HostTree): Promise<HostTensor> => {
      const rows = set[modality].rows;
      if ('dim' in rows) throw new Error('expected contents');
      const { inputs } = await rows.gather([...set.ids.keys()]);
      const apply = (own: object, given: object) =>
        encoders[modality].apply(own as Record<string, tf.Tensor>, given as Record<string, tf.Tensor>);
      const tensors = (tree: HostTree) => Object.fromEntries(Object.entries(tree).map(([name, leaf]) => [name, toTensor(leaf as HostTensor)])); // prettier-ignore
      const features = tf.tidy(() => apply(tensors(parameters), tensors(inputs)));
      const host = hostTensor(features.dataSync() as Float32Array, features.shape);
      features.dispose();
      return host;
    };
    for (const modality of ['image', 'text'] as const) {
      const { trained, fixed = {} } = opened.parameters;
      const parameters = { ...((fixed.encoders as HostTree | undefined)?.[modality] as HostTree), ...((trained.encoders as HostTree)[modality] as HostTree) }; // prettier-ignore
      const places = [...set.ids.keys()].filter((place) => set[modality].available[place] === 1);
      expect(places.length).toBe(24);
      const labels = [...set.labels];
      const of = async (own: HostTree): Promise<StateDiscriminants['intact']> => (await fitTo((await rowsOf(modality, own)).shape[1] as number, classes, { intact: [[await rowsOf(modality, own), labels]], corrupted: [] })).intact; // prettier-ignore
      const [due, untrained] = [await of(parameters), await of(encoders[modality].initialParameters)];
      const { intact: received } = fittedIn(opened)[modality] as StateDiscriminants;
      [...received.kernel.data].forEach((value, i) => expect(value).toBeCloseTo(due.kernel.data[i] as number, 3));
      expect(due.kernel.data.some((value) => value !== 0)).toBe(true);
      const apart = Math.max(
        ...due.kernel.data.map((value, i) => Math.abs(value - (untrained.kernel.data[i] as number))),
      );
      expect(apart).toBeGreaterThan(0.01);
    }
  });

  it('are there of a training that was stopped after an epoch, and one that goes on is as if it had not', async () => {
    const { run: straight } = await trained({});
    const { run: stopped, result } = await trained({ stopAfterEpochs: 1 });
    expect(result.outcome).toBe('interrupted');
    const opened = await openRun(stopped.path, undefined, async () => tinyEncoders());
    expect([fittedIn(opened).share, notesOnRun(opened)]).toEqual([hostTensor([0.5], []), []]);
    expect((await stopped.readBest())?.validation).toEqual(result.selected?.validation);
    await trained({ run: stopped, resume: true });
    expect(await readFile(await stopped.resultCheckpoint())).toEqual(await readFile(await straight.resultCheckpoint()));
    expect(await stopped.readBest()).toEqual(await straight.readBest());
  });

  it('are left for later where fitting is interrupted, which is said, and nothing is lost', async () => {
    const { run: straight } = await trained({});
    const controller = new AbortController();
    const job = (label: string) => ({
      update: () => (label.startsWith('Fitting') ? controller.abort(new Error('stop')) : undefined),
      stop: () => undefined,
    });
    const { run, result } = await trained({ signal: controller.signal, display: { ...createDisplay(true), job } });
    expect([result.outcome, result.report !== null]).toEqual(['interrupted', true]);
    const opened = await openRun(run.path, undefined, async () => tinyEncoders());
    expect(notesOnRun(opened)).toEqual([expect.stringMatching(/^The discriminants of this checkpoint are not fitted/)]);
    await trained({ run, resume: true });
    expect(await readFile(await run.resultCheckpoint())).toEqual(await readFile(await straight.resultCheckpoint()));
    expect(await run.readBest()).toEqual(await straight.readBest());
  });
});

const tinyEncoders = () => ({ image: tinyTrainableImage(), text: tinyTrainableText() });

/** Two epochs on 24 embedded posts with encoders that cost nothing. */
const tinyExperiment = (training: object): ExperimentConfig =>
  parseExperiment(
    {
      name: 'tiny',
      seed: 2,
      engine: 'eager:cpu',
      dataset: { name: 'embedded', imageSize: 16, limit: 24 },
      encoders: { image: 'huggingface:tiny', text: 'huggingface:tiny', trainable: { image: true, text: true } },
      model: { dim: 6, queueCapacity: 16 },
      training: { epochs: 2, batchSize: 7, learningRate: 1e-2, ...training },
    },
    'tiny',
  );

/** A training of {@link tinyExperiment}. */
async function trained({ run, ...options }: Partial<TrainOptions>): Promise<{ run: RunFolder; result: TrainResult }> {
  const config = tinyExperiment({ selection: 'last' });
  const session: Session = { engine, ...tinyEncoders(), dispose: async () => undefined };
  const folder = join(await mkdtemp(join(tmpdir(), 'drf-discriminants-')), 'run');
  const own = run ?? (await RunFolder.create(folder, { overwrite: false }));
  const common = { cache: `${own.path}-cache`, display: createDisplay(true), services: { startSession: async () => session } }; // prettier-ignore
  return { run: own, result: await train({ config, run: own, resume: false, ...common, ...options }) };
}
