import type { DisruptionEntry } from '@drf/disruption';
import { flattenTree, MODALITIES, type HostTensor, type HostTree, type Modality } from '@drf/tensor';
import type { EvaluatedCell, Evaluation } from '../evaluate.js';
import { ablationsOf } from '../paper.js';
import { RESULT_VERSION } from '../grid/tasks.js';
import type { CellRecord, StoredFeatures, TrainingRecord } from './records.js';

/**
 * A run and its evaluation as a store takes them, under the names of the run itself.
 * @param keepsFeatures whether recovered and true features of discarded modalities are kept, of modality-random cells
 */
export async function trainingRecord(
  { result, cells, run, mask }: Evaluation,
  keepsFeatures = false,
): Promise<TrainingRecord> {
  const { config, versions, encoders, engine } = run.description;
  const { dataset, split, classes, postsHash: hash, seed } = result.evaluation;
  const { path } = result.run;
  const { epoch, step } = run.position;
  const epochs = (await run.folder.readMetrics()).filter((row) => row.type === 'epoch');
  const clean = cells[0];
  const ablations = ablationsOf(config);
  return {
    identity: path,
    resultVersion: RESULT_VERSION,
    experiment: config.name,
    fold: null,
    method: config.method,
    without: ablations.length === 0 ? null : ablations.join(', '),
    config,
    versions,
    encoders,
    engine,
    best: { epoch, step, score: epochs.find((row) => row.epoch === epoch)?.valAccuracy ?? 0 },
    seconds: epochs.reduce((sum, row) => sum + row.seconds, 0),
    parameters: [...flattenTree<HostTensor>(run.parameters.trained).values()].reduce(
      (sum, { data }) => sum + data.length,
      0,
    ),
    memoryBytes: null,
    folder: path,
    epochs,
    posts: { hash, dataset, split, classes, ids: clean?.ids ?? [], labels: clean?.labels ?? new Int32Array() },
    cells: cells.map((cell): CellRecord => {
      const { testedOn, probabilities, available, entries } = cell;
      const isKept = keepsFeatures && testedOn.kind === 'modality-random' && clean !== undefined;
      return {
        identity: `${path} ${cell.result.cell}`,
        testedOn,
        report: cell.result.report,
        quality: cell.result.quality,
        manifest: testedOn.kind === 'none' ? null : { seed, mask, entries },
        probabilities,
        available,
        densities: densitiesOf(cell),
        weights: weightsOf(cell),
        features: isKept ? recoveredFeatures(cell, clean) : [],
      };
    }),
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

function densitiesOf({ details, quality, measured }: EvaluatedCell): CellRecord['densities'] {
  const density = (...path: string[]): Float32Array | null =>
    quality === null ? null : (detailOf(details, 'logDensity', ...path)?.data ?? null);
  const densities = {
    image: measured.image,
    text: measured.text,
    recoveredText: density('recovered', 'text'),
    recoveredImage: density('recovered', 'image'),
  };
  return Object.values(densities).some((values) => values !== null) ? densities : null;
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
    const recovered = detailOf(cell.details, 'features', 'recovered', modality);
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
