import type { Dataset, PostRecord } from '@drf/datasets';
import { strategyFileName, type DisruptionEntry, type Strategy } from '@drf/disruption';
import { Judge, type EncodedRecords, type Judged, type OpenedRun, type Session } from '@drf/experiment';
import { classificationReport } from '@drf/metrics';
import { byModality, DataError, hostTensor, type HostTree, type Modality } from '@drf/tensor';
import type { Cell } from './cells.js';
import type { CellProgress } from './display.js';
import { paperFigures } from './paper.js';
import { corruptionAuroc, countDisruptions, type QualityCell } from './quality.js';
import type { CellResult } from './result.js';
import type { Workbench } from './workbench.js';

export interface CellsRequest {
  readonly run: OpenedRun;
  /** The clean cell first. */
  readonly cells: readonly Cell[];
  readonly dataset: Dataset;
  readonly records: readonly PostRecord[];
  readonly session: Session;
  readonly seed: number;
  readonly cache: string;
  readonly workbench: Workbench;
  readonly signal?: AbortSignal;
  /** Keep what the method says of each post beside its probabilities. */
  readonly details?: boolean;
}

/** A cell's figures with the answers behind them. */
export interface EvaluatedCell {
  readonly result: CellResult;
  readonly strategy: Strategy;
  readonly ids: readonly string[];
  readonly labels: Int32Array;
  /** [posts, classes] */
  readonly probabilities: Float32Array;
  readonly entries: readonly DisruptionEntry[];
  /** λᵛ and λᵗ, [posts] */
  readonly available: Readonly<Record<Modality, Float32Array>>;
  /** What the method says of its posts, batch by batch; empty unless asked for. */
  readonly details: readonly HostTree[];
  /** Whether the method estimates quality, and knows enough for it. */
  readonly hasQuality: boolean;
}

export interface EvaluatedCells {
  readonly cells: readonly EvaluatedCell[];
  /** The posts of the clean cell, and so of all: the split without those that could not be read. */
  readonly records: readonly PostRecord[];
  readonly unreadable: readonly { readonly id: string; readonly message: string }[];
}

/** An evaluated cell, and what the AUROC of the others needs of it. */
type JudgedCell = EvaluatedCell & { readonly qualities: QualityCell; readonly records: readonly PostRecord[] };

/**
 * Evaluates cells one after the other. The clean one decides which posts can be read, so that all cells judge the same.
 * An interruption after it leaves the rest out.
 */
export async function evaluateCells(request: CellsRequest): Promise<EvaluatedCells> {
  const { run, cells, session, workbench, signal } = request;
  const unreadable = new Map<string, string>();
  const judge = Judge.create(session.engine, run, request.details);
  const progress = workbench.display.cells(`Evaluating ${run.description.config.name}`, cells.length);
  const done: JudgedCell[] = [];
  try {
    for (const [index, cell] of cells.entries()) {
      if (index > 0 && signal?.aborted === true) break;
      progress.start(index, cell.name);
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
  cell: Cell,
  judge: Judge,
  clean: JudgedCell | undefined,
  progress: CellProgress,
  unreadable: Map<string, string>,
): Promise<JudgedCell> {
  const { dataset, seed, session, cache, workbench, signal, run } = request;
  const { byId } = cell;
  const encoded = await workbench.encode({
    dataset,
    records: clean?.records ?? request.records,
    strategy: byId === undefined ? cell.strategy : { kind: 'manifest', byId },
    seed,
    session,
    cache,
    needs: run.method.needs,
    batchSize: run.description.config.encoders.batchSize,
    job: (label) => progress.job(label),
    onRowError: (message, id) => {
      if (!unreadable.has(id)) workbench.display.warn(message);
      unreadable.set(id, message);
    },
    signal,
  });
  if (encoded.set.ids.length === 0) throw nothingReadable(request, unreadable);
  const judging = progress.job('Judging posts');
  const judged = await judge.judge(encoded.set, judging.update, signal);
  return describeCell(request, cell, encoded, judged, clean);
}

function describeCell(
  { run, dataset }: CellsRequest,
  cell: Cell,
  { set, entries, records }: EncodedRecords,
  { probabilities, quality, details }: Judged,
  clean: JudgedCell | undefined,
): JudgedCell {
  const { config, classes } = run.description;
  const { strategy } = cell;
  const available = byModality((modality) => set[modality].available);
  const qualities: QualityCell = { ids: set.ids, available, entries, quality };
  const kind = strategy.kind === 'modality-fixed' ? 'fixed' : 'random';
  const result: CellResult = {
    cell: cell.name,
    kind: strategy.kind,
    modality: strategy.kind === 'modality-fixed' ? strategy.modality : null,
    setting: 'setting' in strategy ? strategy.setting : null,
    ratio: 'ratio' in strategy ? strategy.ratio : null,
    disrupted: countDisruptions(entries),
    report: classificationReport(set.labels, hostTensor(probabilities, [set.ids.length, classes.length]), classes),
    paper: paperFigures({ config, dataset: dataset.name }, strategy),
    quality: clean === undefined ? null : corruptionAuroc(qualities, clean.qualities, kind),
    manifest: strategy.kind === 'none' ? null : `manifests/${strategyFileName(strategy)}.jsonl`,
  };
  const { ids, labels } = set;
  return {
    result,
    strategy,
    ids,
    labels,
    probabilities,
    entries,
    available,
    details,
    hasQuality: quality !== null,
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
    remedy: 'look at the files (pnpm data inspect)',
  });
}
