import { fitStateDiscriminants, GroupMoments, type StateMoments } from '@drf/distribution';
import type { TrainableEncoder } from '@drf/encoders';
import {
  putDiscriminants,
  stepParameters,
  unfittedDiscriminants,
  wholeParameters,
  type DiscriminantParameters,
  type EncodedMethod,
  type MethodParameters,
  type MethodShapes,
} from '@drf/model';
import { loadCheckpoint, saveCheckpoint } from '@drf/model/checkpoint';
import {
  assertFinite,
  createRandom,
  flattenTree,
  hostScalar,
  hostTensor,
  MODALITIES,
  mergeTrees,
  type Host,
  type HostTensor,
  type HostTree,
  type Modality,
} from '@drf/tensor';
import { areFeatures, type FeatureRows, type ModalityRows, type PostSet } from './feature-set.js';
import { encodedRows, prepareEncoding } from './initial-features.js';
import { discriminantShare } from './method.js';
import type { Content } from './planned-record.js';
import type { RunFolder } from './run-folder.js';
import type { ExperimentConfig } from './schema.js';
import type { Session } from './session.js';
import type { Simulation } from './simulation.js';

/** What discriminants are fitted to, and what for. */
export interface DiscriminantSources {
  readonly config: ExperimentConfig;
  readonly run: RunFolder;
  readonly session: Pick<Session, 'engine' | 'image' | 'text'>;
  /** That of the run, over the session's encoders. */
  readonly method: EncodedMethod;
  readonly shapes: MethodShapes;
  /** The training posts. */
  readonly train: PostSet;
  /** Corrupts them; without it only those count as corrupted that training itself disrupts. */
  readonly simulation?: Simulation | undefined;
  /** Called with the rows read so far, and all. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Fits the discriminants of a run to what the encoders of its result give of the training posts, intact and corrupted,
 * and writes them into the result's checkpoint, whole or not at all.
 * @throws the signal's reason when aborted; NonFiniteError, before anything is written, where outputs give no finite ones
 */
export async function fitRunDiscriminants(sources: DiscriminantSources): Promise<void> {
  const { config, run, method } = sources;
  const path = await run.resultCheckpoint();
  const fresh = wholeParameters(method, method.initialParameters(createRandom(config.seed)));
  const checkpoint = await loadCheckpoint(path, { method: method.id, parameters: fresh });
  const { parameters, ...others } = checkpoint.state;
  const discriminants = await fitDiscriminants(sources, stepParameters(method, parameters));
  for (const [name, { data }] of flattenTree<HostTensor>(discriminants)) {
    assertFinite(`Discriminants of run ${run.path}, ${name},`, data, 'train with --model.discriminants 0');
  }
  const state = { ...others, parameters: putDiscriminants(parameters, discriminants) };
  await saveCheckpoint(path, { ...checkpoint, state }, config.training.checkpointFrozen);
}

/** @param parameters of the run's result, as its steps read them */
async function fitDiscriminants(
  sources: DiscriminantSources,
  parameters: Host<MethodParameters>,
): Promise<Host<DiscriminantParameters>> {
  const { config, method, shapes, train, signal, onProgress } = sources;
  const reads = method.needs?.reads ?? MODALITIES;
  const groups = reads.map((modality) => ({ modality, rows: rowsByState(sources, modality) }));
  const total = groups.flatMap(({ rows }) => rows).reduce((sum, { places }) => sum + places.length, 0);
  let done = 0;
  const onRows = (count: number): void => {
    signal?.throwIfAborted();
    onProgress?.((done += count), total);
  };
  const fitted: Partial<Record<Modality, Host<DiscriminantParameters>[Modality]>> = {};
  for (const { modality, rows } of groups) {
    const moments = await momentsOf(sources, modality, parameters, rows, onRows);
    fitted[modality] = await fitStateDiscriminants(sources.session.engine, moments);
  }
  return {
    ...unfittedDiscriminants(shapes),
    ...fitted,
    logPrior: logPrior(train.labels, shapes),
    share: hostScalar(discriminantShare(config)),
  };
}

/** Posts whose outputs are known to be of one state. */
interface StateRows {
  readonly state: keyof StateMoments;
  readonly source: ModalityRows;
  readonly places: readonly number[];
}

/** Intact outputs, those that training corrupts, and the simulated corruptions of intact ones. */
function rowsByState({ train, simulation }: DiscriminantSources, modality: Modality): StateRows[] {
  const source = train[modality];
  const present = [...source.available.keys()].filter((place) => source.available[place] === 1);
  const intact = present.filter((place) => source.intact === undefined || source.intact[place] === 1);
  const isIntact = new Set(intact);
  const corrupted = present.filter((place) => !isIntact.has(place));
  const versions = simulation?.versions(train, modality) ?? [];
  return [
    { state: 'intact', source, places: intact },
    { state: 'corrupted', source, places: corrupted },
    ...versions.map((version) => ({ state: 'corrupted' as const, source: version, places: intact })),
  ];
}

const ROWS_AT_ONCE = 256;

async function momentsOf(
  { session, train, shapes }: DiscriminantSources,
  modality: Modality,
  { trained, fixed = {} }: Host<MethodParameters>,
  rows: readonly StateRows[],
  onRows: (count: number) => void,
): Promise<StateMoments> {
  const { engine } = session;
  const encoder = session[modality];
  const encoding = encoder.trainable
    ? await prepareEncoding(engine, encoder as TrainableEncoder<Content>, false, encoderParameters({ trained, fixed }, modality)) // prettier-ignore
    : undefined;
  const featuresOf = (source: ModalityRows): FeatureRows =>
    areFeatures(source.rows) || encoding === undefined
      ? (source.rows as FeatureRows)
      : encodedRows(encoding, encoder as TrainableEncoder<Content>, source.rows).rows;
  const width = modality === 'image' ? shapes.imageDim : shapes.textDim;
  const create = (): Promise<GroupMoments> => GroupMoments.create(engine, { width, groups: shapes.classes });
  const moments = { intact: await create(), corrupted: await create() };
  try {
    for (const { state, source, places } of rows) {
      const features = featuresOf(source);
      for (let start = 0; start < places.length; start += ROWS_AT_ONCE) {
        const part = places.slice(start, start + ROWS_AT_ONCE);
        const labels = part.map((place) => train.labels[place] as number);
        await moments[state].add(await features.gather(part), labels);
        onRows(part.length);
      }
    }
    return { intact: moments.intact.within(), corrupted: moments.corrupted.within() };
  } finally {
    await moments.intact.dispose();
    await moments.corrupted.dispose();
    await encoding?.dispose();
  }
}

/** What a trained encoder's pass reads, trained and fixed. */
function encoderParameters({ trained, fixed = {} }: Host<MethodParameters>, modality: Modality): HostTree {
  const of = (tree: HostTree): HostTree => ((tree.encoders as HostTree | undefined)?.[modality] ?? {}) as HostTree;
  return mergeTrees(of(trained), of(fixed));
}

/**
 * log of each class's share of the posts, counted by the weights of the classes; half a post is added to each, so that
 * one without posts has a logarithm.
 */
function logPrior(
  labels: Int32Array,
  { classes, classWeights }: MethodShapes,
): Host<DiscriminantParameters>['logPrior'] {
  const counts = new Float64Array(classes).fill(0.5);
  for (const label of labels) counts[label] = (counts[label] as number) + 1;
  const weighted = counts.map((count, k) => count * (classWeights?.[k] ?? 1));
  const total = weighted.reduce((sum, count) => sum + count, 0);
  return hostTensor(
    Float32Array.from(weighted, (count) => Math.log(count / total)),
    [classes],
  );
}
