import { lossWarning, type Dataset } from '@drf/datasets';
import { type Manifest, type Strategy } from '@drf/disruption';
import { readManifest } from '@drf/disruption/manifest';
import { CLEAN, formatCell, paperStrategies } from './cells.js';
import { evaluatedDataset, shownName, type DatasetOverride } from './evaluated-dataset.js';
import { evaluateCells, type EvaluatedCell } from './evaluate-cells.js';
import { assertManifestFits } from './manifest-fits.js';
import {
  assertEncoders,
  openRun,
  trainedEncoders,
  trainsEncoders,
  type ExperimentConfig,
  type OpenedRun,
  type RunDescription,
  type Session,
} from '@drf/experiment';
import { shownPath, summarizeRun } from './run-identity.js';
import { postsHash } from './posts-hash.js';
import { selectPosts, type SplitChoice } from './posts.js';
import { robustnessCurves } from './curves.js';
import { RESULT_FORMAT, type EvaluationResult } from './result.js';
import type { Workspace } from './workspace.js';

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
  const cells =
    manifest === undefined ? withClean(options.cells ?? paperStrategies()) : withClean([manifest.header.strategy]);
  const evaluated = await evaluateCells({
    run,
    cells,
    manifest: manifest?.byId,
    dataset,
    records: posts.records,
    session,
    seed,
    cache,
    workspace,
    signal,
    details: options.details,
  });
  const results = evaluated.cells.map(({ result }) => result);
  const mask = session.text.maskToken;
  return {
    run,
    mask,
    cells: evaluated.cells,
    result: {
      format: RESULT_FORMAT,
      run: summarizeRun(run),
      evaluation: {
        dataset: shownName(datasetConfig, isOwn),
        split: posts.split,
        posts: evaluated.records.length,
        postsHash: postsHash(evaluated.records),
        classes,
        seed: manifest?.header.seed ?? seed,
        manifest: options.manifest ?? null,
        engine: session.engine.name,
        encoders: run.description.encoders,
      },
      notes: [...lossNotes(dataset), ...posts.notes, ...manifestNotes(manifest, evaluated.records, mask)],
      unreadable: evaluated.unreadable,
      cells: results,
      curves: robustnessCurves(results, isOwn ? dataset.name : ''),
      missingCells: cells.slice(results.length).map((testedOn) => formatCell({ testedOn })),
    },
  };
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
  const masksText = entries.some(({ modality, operation }) => modality === 'text' && operation === 'corrupt');
  return masksText && header.mask !== mask
    ? [...notes, `The words that the manifest masks became ${mask}, the text encoder's own mask, not ${header.mask}`]
    : notes;
}
