import { basename } from 'node:path';
import { lossWarning, type Dataset, type LedgerReport, type PostRecord } from '@drf/datasets';
import { strategyFileName, type DisruptionEntry, type Manifest, type Strategy } from '@drf/disruption';
import { readManifest } from '@drf/disruption/manifest';
import {
  assertEncoders,
  Judge,
  notesOnRun,
  openRun,
  readCalibration,
  trainedEncoders,
  trainsEncoders,
  type EncodedRecords,
  type ExperimentConfig,
  type Judged,
  type OpenedRun,
  type RunDescription,
  type Session,
} from '@drf/experiment';
import { readJson } from '@drf/files';
import { openJudge } from '@drf/judge';
import { classificationReport } from '@drf/metrics';
import { byModality, ConfigurationError, DataError, hostTensor, type HostTree } from '@drf/tensor';
import { spell } from '@drf/terminal';
import { CLEAN, formatCell, paperStrategies } from './cells.js';
import type { CellProgress } from './display.js';
import { SHOWN_POSTS } from './names.js';
import { paperFigures } from './paper.js';
import {
  evaluatedDataset,
  postsHash,
  selectPosts,
  shownName,
  type DatasetOverride,
  type SplitChoice,
} from './posts.js';
import { corruptionAuroc, countDisruptions, type QualityCell } from './quality.js';
import {
  RESULT_FORMAT,
  robustnessCurves,
  shownPath,
  summarizeRun,
  type CellResult,
  type EvaluationResult,
} from './result.js';
import {
  chooseMistakes,
  explainedMistakes,
  showMistakes,
  type Explaining,
  type JudgedCell,
  type Mistake,
  type ShownPost,
} from './report/shown-posts.js';
import type { Workspace } from './workspace.js';

/** A cell's figures with the answers behind them. */
export interface EvaluatedCell extends JudgedCell {
  readonly result: CellResult;
  /** By what corrupted outputs are found: likelihood ratios where the run has them, else log densities. */
  readonly measured: QualityCell['quality'];
  /** What the method says of its posts, batch by batch; empty unless asked for. */
  readonly details: readonly HostTree[];
}

export interface EvaluationOptions {
  readonly workspace: Workspace;
  /** Folder of the feature cache. */
  readonly cache: string;
  /** Disruptions of the posts, a cell each. Default: the paper's. The clean cell is always among them. */
  readonly cells?: readonly Strategy[];
  /** Evaluate under this manifest, beside the clean cell, instead of planned disruptions. */
  readonly manifest?: string;
  readonly split?: SplitChoice;
  readonly splitFile?: string;
  readonly dataset?: DatasetOverride;
  /** Of the disruptions; default: the run's. */
  readonly seed?: number;
  /** Default: the run's result checkpoint. */
  readonly checkpoint?: string;
  /** Default: the run's. */
  readonly engine?: string;
  /** Whether the hub may be asked for encoders that the run names and the cache lacks; default false. */
  readonly allowDownload?: boolean;
  /** Keep what the method says of each post beside its probabilities. */
  readonly details?: boolean;
  /** How many wrongly judged posts the report shows, with text and small image; default {@link SHOWN_POSTS}, 0 for none. */
  readonly posts?: number;
  /**
   * How many of them to explain: of the intact ones, those wrong with the most confidence. Default 0. Each takes one
   * judgment for every word and region of the post, some 60, by a judge that is opened for it.
   */
  readonly explain?: number;
  /** When it aborts, the cells so far are the result. */
  readonly signal?: AbortSignal;
}

/** A result, and what its files hold beyond it. */
export interface Evaluation {
  readonly result: EvaluationResult;
  readonly cells: readonly EvaluatedCell[];
  readonly run: OpenedRun;
  /** What stood for masked words: the text encoder's own token. */
  readonly mask: string;
  /** What became of the data set's rows; of the run's own data as its training found it. */
  readonly ledger: LedgerReport;
  /** Wrongly judged posts, for the report. */
  readonly shown: readonly ShownPost[];
}

/**
 * Evaluates a trained run: opens it with its checkpoint and memory, encodes the posts under each cell's disruption
 * (features come from the cache where it has them), judges them and measures the answers.
 * @throws DataError, ConfigurationError or CheckpointError naming what is missing or does not fit; the signal's reason
 *   when it aborts before the clean cell is done
 */
export async function evaluateRun(path: string, options: EvaluationOptions): Promise<Evaluation> {
  const { workspace, signal, cache } = options;
  const { allowDownload = false } = options;
  const open = ({ engine, encoders, seed }: ExperimentConfig, ids: RunDescription['encoders']): Promise<Session> =>
    workspace.session({ engine: options.engine ?? engine, encoders, seed }, { ids, allowDownload });
  // a run that trained its encoders cannot be opened without them
  const run = await openRun(path, options.checkpoint, async (config, ids) =>
    trainsEncoders(config) ? trainedEncoders(await open(config, ids)) : {},
  );
  const { config, classes, encoders } = run.description;
  const manifest = options.manifest === undefined ? undefined : await readManifest(options.manifest);
  if (manifest !== undefined) assertManifestFits(options.manifest as string, manifest, config.dataset.imageSize);

  const { isOwn, dataset: datasetConfig } = evaluatedDataset(run.description.config.dataset, options.dataset);
  const dataset = await workspace.dataset(datasetConfig);
  const { split, splitFile } = options;
  const posts = await selectPosts({ dataset, run: run.folder, classes, isOwn, split, splitFile });
  const session = await open(config, encoders);
  assertEncoders(shownPath(run.folder.path), encoders, session);

  const seed = options.seed ?? config.seed;
  const cells = withClean(manifest === undefined ? (options.cells ?? paperStrategies()) : [manifest.header.strategy]);
  const evaluated = await evaluateCells({
    run,
    cells,
    dataset,
    records: posts.records,
    session,
    seed,
    manifest: manifest?.byId,
    cache,
    workspace,
    signal,
    details: options.details,
  });
  const results = evaluated.cells.map(({ result }) => result);
  const mask = session.text.maskToken;
  const { records } = evaluated;
  const calibration = await readCalibration(run.folder, basename(run.checkpoint)).catch(() => null);
  const mistakes = chooseMistakes(evaluated.cells, options.posts ?? SHOWN_POSTS);
  const showing = { cells: evaluated.cells, classes, dataset, records, mask, calibration, signal };
  const explained = explainedMistakes(mistakes, signal?.aborted === true ? 0 : (options.explain ?? 0));
  const shown = await withJudge(run, session, options, explained, (explaining) =>
    showMistakes(mistakes, { ...showing, explaining }),
  );
  return {
    run,
    mask,
    cells: evaluated.cells,
    ledger: (isOwn ? await trainedLedger(run) : null) ?? dataset.ledger.toJSON(),
    shown,
    result: {
      format: RESULT_FORMAT,
      run: summarizeRun(run),
      evaluation: {
        dataset: shownName(datasetConfig, isOwn),
        split: posts.split,
        posts: records.length,
        postsHash: postsHash(records),
        classes,
        seed: manifest?.header.seed ?? seed,
        manifest: options.manifest ?? null,
        engine: session.engine.name,
        encoders: run.description.encoders,
      },
      notes: [...notesOnRun(run), ...lossNotes(dataset), ...posts.notes, ...manifestNotes(manifest, records, mask)],
      unreadable: evaluated.unreadable,
      cells: results,
      curves: robustnessCurves(results, isOwn ? dataset.name : ''),
      missingCells: cells.slice(results.length).map((testedOn) => formatCell({ testedOn })),
    },
  };
}

/** Calls with what explains mistakes: the run's own judge, which is open as long as it takes; with nothing where there are none. */
async function withJudge<T>(
  run: OpenedRun,
  session: Session,
  { workspace: { display }, allowDownload, signal }: EvaluationOptions,
  mistakes: readonly Mistake[],
  show: (explaining?: Explaining) => Promise<T>,
): Promise<T> {
  if (mistakes.length === 0) return show();
  display.say(`Opening the run to explain ${mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`} …`);
  const judge = await openJudge(run.folder.path, {
    engine: session.engine.name,
    checkpoint: run.checkpoint,
    allowDownload,
  });
  try {
    const shown = await show({ mistakes, judge, job: (label) => display.job(label, 'judgments') });
    if (signal?.aborted === true) display.say('Stopped: the report shows and explains the mistakes up to here.');
    return shown;
  } finally {
    await judge.close();
  }
}

/** What training said of its data; null of a run that does not say. What it decoded, an evaluation need not decode again. */
async function trainedLedger({ folder }: OpenedRun): Promise<LedgerReport | null> {
  const ledger = (await readJson(folder.file('ledger.json')).catch(() => null)) as Partial<LedgerReport> | null;
  const isWhole = Number.isInteger(ledger?.rows) && Number.isInteger(ledger?.kept) && Array.isArray(ledger?.reasons);
  return isWhole ? (ledger as LedgerReport) : null;
}

function lossNotes({ ledger }: Dataset): string[] {
  const warning = lossWarning(ledger.toJSON());
  return warning === null ? [] : [warning];
}

function withClean(cells: readonly Strategy[]): Strategy[] {
  return [CLEAN, ...cells.filter(({ kind }) => kind !== 'none')];
}

function manifestNotes(
  manifest: Manifest | undefined,
  records: readonly { readonly id: string }[],
  mask: string,
): string[] {
  if (manifest === undefined) return [];
  const { header, entries } = manifest;
  const ids = new Set(records.map(({ id }) => id));
  const others = entries.filter(({ id }) => !ids.has(id)).length;
  const notes = others === 0 ? [] : [`${others} posts of the manifest are not among the evaluated ones`];
  const masksText = entries.some(
    ({ modality, operation, fraction }) => modality === 'text' && operation === 'corrupt' && fraction !== null,
  );
  return masksText && header.mask !== mask
    ? [...notes, `The words that the manifest masks became ${mask}, the text encoder's own mask, not ${header.mask}`]
    : notes;
}

/**
 * A manifest repeats exact pixels only at its own image size. The words that it names are the same for every text
 * encoder, which reads its own mask in their places.
 * @throws ConfigurationError when the run decodes images at another size
 */
function assertManifestFits(path: string, { header, entries }: Manifest, imageSize: number): void {
  const corruptsImages = entries.some(({ operation, modality }) => operation === 'corrupt' && modality === 'image');
  const size = header.imageSize;
  if (corruptsImages && (size?.width !== imageSize || size.height !== imageSize)) {
    throw new ConfigurationError({
      subject: `Manifest ${path}`,
      expected: `pixels chosen at ${imageSize} × ${imageSize}, the size at which the run reads images`,
      received: size === null ? "each image's own size" : `${size.width} × ${size.height}`,
      remedy: 'make the manifest at that size',
    });
  }
}

interface CellsRequest {
  readonly run: OpenedRun;
  /** Disruptions of the cells; the clean one first. */
  readonly cells: readonly Strategy[];
  /** Disruptions of posts as a manifest gives them, instead of planned ones, of every cell but the clean one. */
  readonly manifest?: ReadonlyMap<string, DisruptionEntry>;
  readonly dataset: Dataset;
  readonly records: readonly PostRecord[];
  readonly session: Session;
  readonly seed: number;
  readonly cache: string;
  readonly workspace: Workspace;
  readonly signal?: AbortSignal;
  /** Keep what the method says of each post beside its probabilities. */
  readonly details?: boolean;
}

interface EvaluatedCells {
  readonly cells: readonly EvaluatedCell[];
  /** The posts of the clean cell, and so of all: the split without those that could not be read. */
  readonly records: readonly PostRecord[];
  readonly unreadable: readonly { readonly id: string; readonly message: string }[];
}

/** An evaluated cell, and what the AUROC of the others needs of it. */
type MeasuredCell = EvaluatedCell & { readonly qualities: QualityCell; readonly records: readonly PostRecord[] };

/**
 * Evaluates cells one after the other. The clean one decides which posts can be read, so that all cells judge the same.
 * An interruption after it leaves the rest out.
 */
async function evaluateCells(request: CellsRequest): Promise<EvaluatedCells> {
  const { run, cells, session, workspace, signal } = request;
  const unreadable = new Map<string, string>();
  const judge = Judge.create(session.engine, run, request.details);
  const progress = workspace.display.cells(`Evaluating ${run.description.config.name}`, cells.length);
  const done: MeasuredCell[] = [];
  try {
    for (const [index, cell] of cells.entries()) {
      if (index > 0 && signal?.aborted === true) break;
      progress.start(index, formatCell({ testedOn: cell }));
      done.push(await evaluateCell(request, cell, judge, done[0], progress, unreadable));
    }
  } catch (error) {
    if (signal?.aborted !== true || error !== signal.reason || done.length === 0) throw error;
  } finally {
    progress.stop();
    await judge.dispose();
  }
  return {
    cells: done,
    records: done[0]?.records ?? [],
    unreadable: [...unreadable].map(([id, message]) => ({ id, message })),
  };
}

async function evaluateCell(
  request: CellsRequest,
  testedOn: Strategy,
  judge: Judge,
  clean: MeasuredCell | undefined,
  progress: CellProgress,
  unreadable: Map<string, string>,
): Promise<MeasuredCell> {
  const { dataset, seed, session, cache, workspace, signal, run, manifest } = request;
  const isPlanned = manifest === undefined || testedOn.kind === 'none';
  const encoded = await workspace.encode({
    dataset,
    records: clean?.records ?? request.records,
    strategy: isPlanned ? testedOn : { kind: 'manifest', byId: manifest },
    seed,
    session,
    cache,
    needs: run.method.needs,
    batchSize: run.description.config.encoders.batchSize,
    job: (label) => progress.job(label),
    onRowError: (message, id) => {
      if (!unreadable.has(id)) workspace.display.warn(message);
      unreadable.set(id, message);
    },
    onNote: (message) => workspace.display.warn(message),
    signal,
  });
  if (encoded.set.ids.length === 0) throw nothingReadable(request, unreadable);
  const judging = progress.job('Judging posts');
  const judged = await judge.judge(encoded.set, judging.update, signal);
  return describeCell(request, testedOn, encoded, judged, clean);
}

function describeCell(
  { run, dataset }: CellsRequest,
  testedOn: Strategy,
  { set, entries, records }: EncodedRecords,
  { probabilities, quality, logLikelihoodRatio, details }: Judged,
  clean: MeasuredCell | undefined,
): MeasuredCell {
  const { config, classes } = run.description;
  const available = byModality((modality) => set[modality].available);
  const measured = byModality((modality) => logLikelihoodRatio[modality] ?? quality?.[modality] ?? null);
  const qualities: QualityCell = { ids: set.ids, available, entries, quality: measured };
  const isOfAll = testedOn.kind === 'modality-fixed' || (testedOn.kind === 'corruption' && testedOn.ratio === 1);
  const kind = isOfAll ? 'fixed' : 'random';
  const result: CellResult = {
    cell: formatCell({ testedOn }),
    kind: testedOn.kind,
    modality: testedOn.kind === 'modality-fixed' ? testedOn.modality : null,
    setting: 'setting' in testedOn ? testedOn.setting : null,
    ratio: 'ratio' in testedOn ? testedOn.ratio : null,
    disrupted: countDisruptions(entries),
    report: classificationReport(set.labels, hostTensor(probabilities, [set.ids.length, classes.length]), classes),
    paper: paperFigures({ config, dataset: dataset.name }, testedOn),
    quality: clean === undefined ? null : corruptionAuroc(qualities, clean.qualities, kind),
    manifest: testedOn.kind === 'none' ? null : `manifests/${strategyFileName(testedOn)}.jsonl`,
  };
  const { ids, labels } = set;
  return {
    result,
    testedOn,
    ids,
    labels,
    probabilities,
    entries,
    available,
    details,
    quality,
    measured,
    qualities,
    records,
  };
}

function nothingReadable({ dataset, records }: CellsRequest, unreadable: ReadonlyMap<string, string>): DataError {
  const [first] = unreadable.values();
  return new DataError({
    subject: `The posts of data set ${dataset.name}`,
    expected: 'at least one that can be read',
    received: `none of ${records.length}${first === undefined ? '' : `, the first: ${first}`}`,
    remedy: `look at the files (${spell('data inspect')})`,
  });
}
