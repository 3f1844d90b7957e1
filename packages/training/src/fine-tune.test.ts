import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { createEngine } from '@drf/engine';
import {
  encodeRecords,
  Judge,
  openExperimentData,
  openRun,
  parseExperiment,
  readCalibration,
  RunFolder,
  trainedEncoders,
  type Session,
} from '@drf/experiment';
import { tinyTrainableImage, tinyTrainableText } from '@drf/experiment/testing';
import { readSafetensors } from '@drf/files';
import { fitTemperature } from '@drf/metrics';
import { CheckpointError, hostTensor } from '@drf/tensor';
import { createDisplay } from './display.js';
import { train, type TrainOptions, type TrainResult, type TrainServices } from './train.js';

/** An experiment on 24 embedded posts, whose encoders the tests bring along. */
function configOf(overrides: { training?: object; encoders?: object; model?: object; method?: string } = {}) {
  const { training, encoders, model, method = 'drf' } = overrides;
  return parseExperiment(
    {
      name: 'tiny',
      method,
      seed: 2,
      engine: 'eager:cpu',
      dataset: { name: 'embedded', imageSize: 16, limit: 24 },
      encoders: {
        image: 'huggingface:tiny',
        text: 'huggingface:tiny',
        trainable: { image: true, text: true },
        ...encoders,
      },
      model: { dim: 6, queueCapacity: 16, standardize: true, ...model },
      training: {
        epochs: 2,
        batchSize: 7,
        learningRate: 1e-2,
        encoderLearningRate: 5e-3,
        disruption: 'random:0.6:C+D',
        accumulate: 2,
        clipNorm: 0.5,
        groupByLength: 2,
        keepCheckpoints: 9,
        ...training,
      },
    },
    'tiny',
  );
}

const sessionOf =
  (textSeed = 5): TrainServices['startSession'] =>
  async ({ engine: name }): Promise<Session> => {
    const engine = await createEngine(name);
    const encoders = { image: tinyTrainableImage(), text: tinyTrainableText([], textSeed) };
    return { engine, ...encoders, dispose: () => engine.dispose() };
  };

type Settings = Partial<TrainOptions> & { readonly folder?: string };

async function run(config: TrainOptions['config'], settings: Settings = {}): Promise<TrainResult & { run: string }> {
  const { folder = join(await mkdtemp(join(tmpdir(), 'drf-fine-tune-')), 'run'), ...options } = settings;
  const runFolder = options.resume
    ? await RunFolder.open(folder)
    : await RunFolder.create(folder, { overwrite: false });
  return train({
    config,
    run: runFolder,
    resume: false,
    cache: join(folder, '..', 'cache'),
    display: createDisplay(true),
    services: { startSession: sessionOf() },
    ...options,
  });
}

const checkpoint = (result: TrainResult, step: number): string =>
  join(result.run, 'checkpoints', `step-${step}.safetensors`);

/** Stops after a step, as Ctrl-C does. */
function stopAt(step: number): Pick<TrainOptions, 'display' | 'signal'> {
  const controller = new AbortController();
  const display = createDisplay(true);
  return {
    signal: controller.signal,
    display: { ...display, onStep: (position) => void (position.step === step && controller.abort(new Error('stop'))) },
  };
}

describe('training with encoders under the head', () => {
  it.each(['eager:cpu', 'compiled'])('goes on from the middle as if it had not stopped (%s)', async (engine) => {
    const config = { ...configOf(), engine };
    const straight = await run(config);
    expect(straight.outcome).toBe('finished');
    const stopped = await run(config, stopAt(3));
    expect(stopped.outcome).toBe('interrupted');
    const resumed = await run(config, { folder: stopped.run, resume: true });
    expect(resumed.outcome).toBe('finished');
    for (const step of [4, 8]) {
      const [due, received] = await Promise.all([straight, resumed].map((each) => readFile(checkpoint(each, step))));
      expect(received?.equals(due as Buffer), `step ${step}`).toBe(true);
    }
  });

  it.each(['drf', 'concatenation'])('simulates disruptions alike after a resume: %s', async (method) => {
    const simulation = { share: 0.8, discard: 0.5 };
    const config = configOf({ method, training: { disruption: 'none', simulation } });
    const straight = await run(config);
    const stopped = await run(config, stopAt(3));
    const resumed = await run(config, { folder: stopped.run, resume: true });
    const plain = await run(configOf({ method, training: { disruption: 'none', simulation: { share: 0 } } }));
    const [due, received, without] = await Promise.all(
      [straight, resumed, plain].map((each) => readFile(checkpoint(each, 8))),
    );
    expect(received?.equals(due as Buffer)).toBe(true);
    expect(without?.equals(due as Buffer)).toBe(false);
  });

  it('validates again when it was stopped while validating', async () => {
    const config = configOf();
    const straight = await run(config);
    const controller = new AbortController();
    const display = { ...createDisplay(true), onValidation: () => controller.abort(new Error('stop')) };
    const stopped = await run(config, { display, signal: controller.signal });
    expect(stopped.outcome).toBe('interrupted');
    expect(stopped.selected).toBeUndefined();
    const resumed = await run(config, { folder: stopped.run, resume: true });
    expect(resumed.selected).toEqual(straight.selected);
    expect(await readFile(checkpoint(resumed, 8))).toEqual(await readFile(checkpoint(straight, 8)));
  });

  it('moves the trained parameters, keeps the frozen ones, and leaves those out of checkpoints', async () => {
    const plain = await run(configOf());
    const full = await run(configOf({ training: { checkpointFrozen: true } }));
    const [lean, whole] = await Promise.all([plain, full].map(async (each) => readSafetensors(checkpoint(each, 8))));
    const table = 'state.parameters.fixed.encoders.text.table';
    expect(lean?.tensors.has(table)).toBe(false);
    const { table: initial, kernel } = tinyTrainableText().initialParameters;
    expect(whole?.tensors.get(table)).toEqual(initial);
    const trained = lean?.tensors.get('state.parameters.trained.encoders.text.kernel');
    expect(trained?.shape).toEqual([5, 6]);
    expect(trained).not.toEqual(kernel);
    expect([...(lean?.tensors.keys() ?? [])].some((name) => name.startsWith('state.gradients'))).toBe(false);
    expect(lean?.tensors.has('state.moments.first.encoders.text.table')).toBe(false);
  });

  it.each([0, 0.5])(
    'gives a run that opens with its encoders, and judges as it says: discriminants %d',
    async (discriminants) => {
      const validated = vi.fn();
      const config = configOf({
        model: { discriminants },
        training: { disruption: 'none', accumulate: 1, selection: 'last' },
      });
      const display = { ...createDisplay(true), onEpoch: (_: number, __: unknown, val: unknown) => validated(val) };
      const judging = vi.spyOn(Judge.prototype, 'judge');
      const result = await run(config, { display: display });
      const judgedSets = judging.mock.calls.map(([{ ids }]) => String(ids));
      const session = await sessionOf()(config);
      const opened = await openRun(result.run, undefined, async () => trainedEncoders(session));
      const { set } = await encodeVal(config, session);
      const judge = Judge.create(session.engine, opened);
      const judged = await judge.judge(set, () => undefined);
      await judge.dispose();
      const right = set.labels.reduce((sum, label, post) => {
        const row = [...judged.probabilities.subarray(post * 3, post * 3 + 3)];
        return sum + (row.indexOf(Math.max(...row)) === label ? 1 : 0);
      }, 0);
      expect(judgedSets.filter((ids) => ids === String(set.ids))).toHaveLength(1); // for its score and its calibration
      const calibration = await readCalibration(opened.folder, basename(opened.checkpoint));
      expect(calibration?.temperature).toEqual(fitTemperature(set.labels, hostTensor(judged.probabilities, [set.ids.length, 3]), 3)); // prettier-ignore
      expect(right / set.ids.length).toBeCloseTo(result.selected?.validation?.accuracy as number, 6);
      expect((await opened.folder.readBest())?.validation).toEqual(result.selected?.validation);
      const { accuracy } = validated.mock.lastCall?.[0] as { accuracy: number }; // of the method alone
      if (discriminants === 0) expect(result.selected?.validation?.accuracy).toBe(accuracy);
      expect(judged.quality).not.toBeNull();
      await session.dispose();
    },
  );

  it('refuses to go on over other frozen weights, or with another encoder', async () => {
    const stopped = await run(configOf(), stopAt(3));
    const other = { folder: stopped.run, resume: true, services: { startSession: sessionOf(6) } };
    await expect(run(configOf(), other)).rejects.toThrow(
      /text encoder expected "tiny-trainable-text-5", with which it was trained, received "tiny-trainable-text-6"/,
    );
    const disguised: TrainServices['startSession'] = async (config) => {
      const session = await sessionOf(6)(config);
      return { ...session, text: { ...session.text, id: 'tiny-trainable-text-5' } };
    };
    const failure = run(configOf(), { folder: stopped.run, resume: true, services: { startSession: disguised } });
    await expect(failure).rejects.toBeInstanceOf(CheckpointError);
    await expect(failure).rejects.toThrow(/frozen parameters of checksum/);
  });
});

/** The validation posts as training saw them. */
async function encodeVal(config: TrainOptions['config'], session: Session) {
  const { dataset, splits } = await openExperimentData(config.dataset);
  const cache = await mkdtemp(join(tmpdir(), 'drf-fine-tune-'));
  return encodeRecords({ dataset, records: splits.val, strategy: { kind: 'none' }, seed: 2, session, cache });
}
