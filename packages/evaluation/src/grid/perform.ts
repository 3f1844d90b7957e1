import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset, PostRecord } from '@drf/datasets';
import { formatStrategy, type DisruptionEntry } from '@drf/disruption';
import { methodNeeds, RunFolder, type ExperimentConfig, type ExperimentData, type SplitName } from '@drf/experiment';
import { contentHash } from '@drf/files';
import { MODALITIES, type HostTensor, type HostTree, type Modality } from '@drf/tensor';
import { train, type Display } from '@drf/training';
import { formatCell } from '../cells.js';
import type { EvaluatedCell } from '../evaluate-cells.js';
import { evaluateRun } from '../evaluate-run.js';
import type { CellRecord, StoredFeatures, TrainingRecord } from '../store/records.js';
import type { Workspace } from '../workspace.js';
import { RESULT_VERSION, type ExperimentFacts, type FeatureTask, type TrainingTask } from './tasks.js';
import type { WorkerAnswers, WorkerProgress, WorkerSetting } from './workers.js';

/** What a task needs of its worker. */
export interface Surroundings {
  readonly workspace: Workspace;
  readonly setting: WorkerSetting;
  readonly report: (progress: WorkerProgress) => void;
  readonly signal?: AbortSignal;
}

/** Opens an experiment's data and encoders, to know what decides its results. */
export async function describeExperiment(
  config: ExperimentConfig,
  { workspace, setting, report }: Surroundings,
): Promise<ExperimentFacts> {
  report({ what: `opening ${config.name}`, done: 0, total: 1 });
  const data = await workspace.data(config.dataset);
  const session = await workspace.session(config);
  const split = evaluatedSplit(data, setting);
  const { dataset, splits } = data;
  return {
    encoders: { image: session.image.id, text: session.text.id },
    engine: session.engine.name,
    trainingData: contentHash(await contentOf(dataset, splits.train), await contentOf(dataset, splits.val)),
    evaluatedData: await contentOf(dataset, splits[split]),
    split,
    posts: { train: splits.train.length, val: splits.val.length, evaluated: splits[split].length },
    notes: [...data.notes, ...data.warnings],
  };
}

/** The split that is asked for, else test if it has posts, else val. */
function evaluatedSplit({ splits }: ExperimentData, { split }: WorkerSetting): SplitName {
  return split ?? (splits.test.length > 0 ? 'test' : 'val');
}

/** Hash of posts with their contents as decoded; a post that cannot be read counts by its message. */
async function contentOf(dataset: Dataset, records: readonly PostRecord[]): Promise<string> {
  const parts: string[] = [];
  for (const record of records) {
    const hash = async (modality: Modality): Promise<string> =>
      record[modality] === null
        ? ''
        : dataset.contentHash(record, modality).catch((error: unknown) => `unreadable: ${String(error)}`);
    parts.push(record.id, String(record.label), await hash('image'), await hash('text'));
  }
  return contentHash(...parts);
}

/** Encodes posts under a disruption, so that the cache has them. */
export async function encodeFeatures(
  { config, strategy, posts }: FeatureTask,
  { workspace, setting, report, signal }: Surroundings,
): Promise<WorkerAnswers['encode']> {
  const data = await workspace.data(config.dataset);
  const session = await workspace.session(config);
  const splits: SplitName[] = posts === 'training' ? ['train', 'val'] : [evaluatedSplit(data, setting)];
  const unreadable = new Map<string, string>();
  for (const split of splits) {
    const where = `of ${split}, ${formatStrategy(strategy)}, seed ${config.seed}`;
    await workspace.encode({
      dataset: data.dataset,
      records: data.splits[split],
      strategy,
      seed: config.seed,
      session,
      cache: setting.cache,
      needs: methodNeeds(config),
      batchSize: config.encoders.batchSize,
      job: (label) => ({
        update: (done, total) => report({ what: `${label.toLowerCase()} ${where}`, done, total }),
        stop: () => undefined,
      }),
      onRowError: (message, id) => void unreadable.set(id, message),
      signal,
    });
  }
  return { unreadable: [...unreadable.values()] };
}

/** Trains, unless the run is there already, and evaluates. */
export async function performTraining(task: TrainingTask, surroundings: Surroundings): Promise<TrainingRecord> {
  const { workspace, setting, signal } = surroundings;
  const startedAt = performance.now();
  const folder = join(setting.folder, task.folder);
  const run = (await finishedRun(folder)) ?? (await trainRun(task.config, folder, surroundings));
  const seconds = (performance.now() - startedAt) / 1000;
  surroundings.report({ what: 'evaluating', done: 0, total: task.cells.length });
  const {
    result,
    cells,
    run: opened,
    mask,
  } = await evaluateRun(run.path, {
    workspace,
    cache: setting.cache,
    cells: task.cells.map(({ testedOn }) => testedOn),
    split: setting.split ?? undefined,
    signal,
    details: true,
  });
  signal?.throwIfAborted();
  const clean = cells[0] as EvaluatedCell;
  const identities = new Map(task.cells.map((cell) => [formatCell(cell), cell.identity]));
  const { dataset, split, classes, postsHash: hash } = result.evaluation;
  const { epoch, step } = opened.position;
  const epochs = (await run.readMetrics()).filter((row) => row.type === 'epoch');
  const score = epochs.find((own) => own.epoch === epoch)?.valAccuracy ?? 0;
  return {
    ...task,
    resultVersion: RESULT_VERSION,
    versions: opened.description.versions,
    encoders: opened.description.encoders,
    engine: opened.description.engine,
    best: { epoch, step, score },
    seconds,
    epochs,
    posts: { hash, dataset, split, classes, ids: clean.ids, labels: clean.labels },
    cells: cells.flatMap((cell): CellRecord[] => {
      const identity = identities.get(formatCell(cell));
      if (identity === undefined) return []; // the clean cell is evaluated in any case
      const { testedOn, probabilities, available, result: measured } = cell;
      const { report, quality } = measured;
      const manifest = testedOn.kind === 'none' ? null : { seed: task.seed, mask, entries: cell.entries };
      const [densities, weights] = [densitiesOf(cell), weightsOf(cell)];
      const keepsFeatures = task.keepFeatures && testedOn.kind === 'modality-random';
      const features = keepsFeatures ? recoveredFeatures(cell, clean) : [];
      return [
        { identity, testedOn, report, quality, manifest, probabilities, available, densities, weights, features },
      ];
    }),
  };
}

/** A run that has its result; what an interrupted training left is removed. */
async function finishedRun(folder: string): Promise<RunFolder | undefined> {
  const run = await RunFolder.open(folder).catch(() => undefined);
  if (run !== undefined && (await run.readBest().catch(() => undefined)) !== undefined) return run;
  await rm(folder, { recursive: true, force: true });
  return undefined;
}

async function trainRun(
  config: ExperimentConfig,
  folder: string,
  { workspace, setting, report, signal }: Surroundings,
): Promise<RunFolder> {
  const run = await RunFolder.create(folder, { overwrite: true });
  const { outcome } = await train({
    config,
    run,
    resume: false,
    cache: setting.cache,
    display: displayOf(report),
    signal,
    resultOnly: true,
    services: {
      openData: (dataset) => workspace.data(dataset),
      startSession: (own) => workspace.session(own),
      encode: workspace.encode,
      readVersions: () => Promise.resolve(setting.versions),
    },
  });
  if (outcome === 'interrupted') throw signal?.reason ?? new Error('interrupted');
  return run;
}

/** Steps as progress; nothing else of a training is shown. */
function displayOf(report: (progress: WorkerProgress) => void): Display {
  const nothing = (): void => undefined;
  return {
    data: nothing,
    decoded: nothing,
    lost: nothing,
    session: nothing,
    job: () => ({ update: nothing, stop: nothing }),
    warn: nothing,
    end: nothing,
    onEpoch: nothing,
    onStep: ({ step }, total) => report({ what: 'training', done: step, total }),
  };
}

/** Rows of one detail over all batches, [posts, width]. */
interface Detail {
  readonly width: number;
  readonly data: Float32Array;
}

/** A detail by its path (`logDensity`, `image`), joined over the batches; none where the method has none. */
function detailOf(batches: readonly HostTree[], ...path: readonly string[]): Detail | null {
  const tensors = batches.map(
    (batch) =>
      path.reduce<unknown>((node, key) => (node as HostTree | undefined)?.[key], batch) as HostTensor | undefined,
  );
  const [first] = tensors;
  if (first === undefined || tensors.some((tensor) => tensor === undefined)) return null;
  const width = first.shape.length < 2 ? 1 : (first.shape.at(-1) as number);
  const parts = (tensors as HostTensor[]).map(({ data }) => data);
  const data = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((offset, part) => {
    data.set(part, offset);
    return offset + part.length;
  }, 0);
  return { width, data };
}

function densitiesOf({ details, hasQuality }: EvaluatedCell): CellRecord['densities'] {
  const density = (name: string): Float32Array | null => detailOf(details, 'logDensity', name)?.data ?? null;
  const densities = {
    image: density('image'),
    text: density('text'),
    recoveredText: density('recoveredText'),
    recoveredImage: density('recoveredImage'),
  };
  return hasQuality && Object.values(densities).some((values) => values !== null) ? densities : null;
}

/** Columns of [posts, pair]: all three pairs, or the original one alone where pairs are not expanded. */
function weightsOf({ details }: EvaluatedCell): CellRecord['weights'] {
  const pairs = detailOf(details, 'weights');
  if (pairs?.width !== 1 && pairs?.width !== 3) return null;
  const { width, data } = pairs;
  const column = (pair: number): Float32Array =>
    Float32Array.from({ length: data.length / width }, (_, i) => data[i * width + pair] as number);
  return { both: column(0), image: width === 3 ? column(1) : null, text: width === 3 ? column(2) : null };
}

/**
 * Features of the modalities that a cell discards, as recovered there and as they are in the clean cell of the same
 * model.
 */
function recoveredFeatures(cell: EvaluatedCell, clean: EvaluatedCell): StoredFeatures[] {
  return MODALITIES.flatMap((modality) => {
    const recovered = detailOf(cell.details, 'features', modality === 'image' ? 'recoveredImage' : 'recoveredText');
    const original = detailOf(clean.details, 'features', modality);
    if (recovered === null || original === null || recovered.width !== original.width) return [];
    const positions = discardedPositions(cell.ids, cell.entries, modality);
    if (positions.length === 0 || clean.ids.length !== cell.ids.length) return [];
    const pick = ({ data, width }: Detail): Float32Array => {
      const rows = new Float32Array(positions.length * width);
      positions.forEach((at, i) => rows.set(data.subarray(at * width, (at + 1) * width), i * width));
      return rows;
    };
    return [{ modality, positions, width: recovered.width, recovered: pick(recovered), original: pick(original) }];
  });
}

function discardedPositions(
  ids: readonly string[],
  entries: readonly DisruptionEntry[],
  modality: Modality,
): Int32Array {
  const discarded = new Set(
    entries.filter((entry) => entry.operation === 'discard' && entry.modality === modality).map(({ id }) => id),
  );
  return Int32Array.from([...ids.keys()].filter((position) => discarded.has(ids[position] as string)));
}
