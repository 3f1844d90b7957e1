import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ColumnNames, LedgerReport } from '@drf/datasets';
import type { EvaluationResult, SplitChoice } from '@drf/evaluation';
import type { BestCheckpoint, ExperimentConfig, MetricRow, RunDescription, RunFolder } from '@drf/experiment';
import type { ExportResult, exportRun } from '@drf/export';
import type { Judge, Judgment, PostInput } from '@drf/judge';
import { featureCache } from './cache.js';
import { InterruptedError } from './errors.js';
import { Model } from './judging.js';
import { refuseUnknownOptions, type OptionNames } from './known-options.js';
import { LOAD_OPTIONS, type LoadOptions } from './load.js';
import { loadOwnModules } from './own.js';
import { isRows, writeRows, type Data, type Files } from './posts.js';
import { evaluationEvents, startStage, type StageEvent, type WorkEvent } from './progress.js';

/** How {@link Run.evaluate} works. `data` names other posts than the run's own, as for {@link train}. */
export type EvaluateOptions = EvaluationChoices &
  (Data | { readonly data?: undefined; readonly columns?: ColumnNames });

interface EvaluationChoices {
  /**
   * What is done to the posts: names of groups (`clean`, `fixed`, `random`) and disruptions (`fixed:image:C`,
   * `random:0.6:C+D`, or a module of your own). `clean` is always among them. Default: the paper's, which are all three groups.
   */
  readonly cells?: string | readonly string[];
  /** Folder that image paths are relative to, and must not lead out of. */
  readonly root?: string;
  /** Which posts. Default: the test split, or the validation split where there is none; of other posts, all. */
  readonly split?: SplitChoice;
  /** Of the disruptions. Default: the run's. */
  readonly seed?: number;
  /** Where the files go. Default: below the run, `eval/SPLIT`. */
  readonly out?: string;
  readonly checkpoint?: string;
  readonly engine?: string;
  /** Folder of the feature cache. Default: below the user's cache folder, as of the command `drf`. */
  readonly cache?: string;
  readonly allowDownload?: boolean;
  /** How many wrongly judged posts the report explains, by words and parts of the image; some 60 judgments each. Default 0. */
  readonly explain?: number;
  readonly onProgress?: (event: WorkEvent) => void;
  /** When it aborts, the cells so far are written, and the call ends with an {@link InterruptedError} that names their folder. */
  readonly signal?: AbortSignal;
}

/** What an evaluation found: `results.json` as an object, with the figures of intact posts first. */
export interface EvaluationReport extends EvaluationResult {
  /** Of the intact posts, from 0 to 1. */
  readonly accuracy: number;
  readonly weightedF1: number;
  readonly macroF1: number;
  /** Where `report.html`, `results.json`, `results.csv`, `predictions.jsonl` and `manifests/` lie. */
  readonly folder: string;
}

/** How {@link Run.export} works. */
export interface ExportOptions extends Omit<Parameters<typeof exportRun>[1], 'out' | 'onProgress'> {
  /** Told what is being done. */
  readonly onProgress?: (event: StageEvent) => void;
}

const EVALUATE_OPTIONS: OptionNames<keyof EvaluationChoices | 'data' | 'columns'> = {
  cells: true,
  data: true,
  columns: true,
  root: true,
  split: true,
  seed: true,
  explain: true,
  out: true,
  checkpoint: true,
  engine: true,
  cache: true,
  allowDownload: true,
  onProgress: true,
  signal: true,
};

const EXPORT_OPTIONS: OptionNames<keyof ExportOptions> = {
  overwrite: true,
  checkpoint: true,
  allowDownload: true,
  headOnly: true,
  batch: true,
  tokens: true,
  examples: true,
  precision: true,
  measure: true,
  signal: true,
  onProgress: true,
  onMeasured: true,
};

/** A trained run: it judges posts, is evaluated and exported. */
export class Run extends Model<PostInput> {
  private judging: Promise<Judge> | undefined;

  private constructor(
    private readonly run: RunFolder,
    private readonly description: RunDescription,
    /**
     * The epoch that is the result, and how it did on the validation posts; undefined for a run that has not ended its
     * first.
     */
    readonly metrics: BestCheckpoint | undefined,
    /** What probabilities and quality rest on, a sentence each. */
    readonly notes: readonly string[],
    private readonly options: LoadOptions,
  ) {
    super();
  }

  /** {@link openRun} */
  static async open(folder: string, options: LoadOptions = {}): Promise<Run> {
    refuseUnknownOptions('openRun', options, LOAD_OPTIONS);
    await loadOwnModules(options.own ?? []);
    const { describeCalibration } = await import('@drf/judge');
    const { readCalibration, RunFolder } = await import('@drf/experiment');
    const run = await RunFolder.open(folder);
    const best = await run.readBest();
    const calibration = best === undefined ? null : await readCalibration(run, best.checkpoint);
    return new Run(run, await run.readDescription(), best, describeCalibration(calibration), options);
  }

  /** Absolute path. */
  get folder(): string {
    return this.run.path;
  }

  /** Names of the classes, in the order of training. */
  get classes(): readonly string[] {
    return this.description.classes;
  }

  /** Every option that decides the run. */
  get config(): ExperimentConfig {
    return this.description.config;
  }

  /** Losses and scores as training went: a row every ten steps, and one an epoch. */
  history(): Promise<MetricRow[]> {
    return this.run.readMetrics();
  }

  /** Every row of the data, kept or dropped and why. @throws DataError where the file is damaged or missing */
  async ledger(): Promise<LedgerReport> {
    const { readJson } = await import('@drf/files');
    return (await readJson(this.run.file('ledger.json'))) as LedgerReport;
  }

  /**
   * Scores the run on intact and disrupted posts, and writes what it found.
   *
   * ```ts
   * const { accuracy, cells } = await run.evaluate({ cells: 'clean,fixed' });
   * ```
   * @throws DataError and ConfigurationError for posts that are missing or have other classes; InterruptedError when the
   *   signal aborts
   */
  evaluate(options: EvaluateOptions = {}): Promise<EvaluationReport> {
    return this.use(async () => {
      refuseUnknownOptions('evaluate', options, EVALUATE_OPTIONS);
      const { data, columns, signal } = options;
      if (data === undefined || !isRows(data)) return this.evaluateFiles(options, data);
      const folder = await mkdtemp(join(tmpdir(), 'drf-rows-'));
      try {
        const named = { ...this.config.dataset.columns, ...columns };
        const rows = await writeRows(join(folder, 'rows.jsonl'), data, { ...options, columns: named }, (event) => options.onProgress?.(event)); // prettier-ignore
        return await this.evaluateFiles({ ...options, ...rows }, rows.file);
      } catch (error) {
        throw signal?.aborted === true && error === signal.reason ? interrupted(null, error) : error;
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
  }

  private async evaluateFiles(options: EvaluateOptions, file: Files | undefined): Promise<EvaluationReport> {
    const { cells, columns, root, out, cache, onProgress, signal, ...rest } = options;
    const { evaluateRun, evaluationFolder, parseStrategies, Workspace, writeEvaluation } =
      await import('@drf/evaluation');
    const named = cells === undefined ? undefined : parseStrategies([cells].flat().join(','));
    const workspace = new Workspace({ display: evaluationEvents(onProgress) });
    try {
      const evaluation = await evaluateRun(this.folder, {
        ...rest,
        workspace,
        cache: cache ?? (await featureCache()),
        cells: named,
        signal,
        ...(file === undefined ? {} : { dataset: { name: 'posts', file, columns, root } }),
      });
      const { result } = evaluation;
      const isWhole = result.missingCells.length === 0;
      const folder = out === undefined ? this.run.file(evaluationFolder(result)) : isWhole ? out : `${out}.partial`;
      await writeEvaluation(evaluation, folder);
      if (!isWhole) throw interrupted(folder, signal?.reason);
      const clean = result.cells[0]?.report;
      const { accuracy = 0, weightedF1 = 0, macroF1 = 0 } = clean ?? {};
      return { ...result, accuracy, weightedF1, macroF1, folder };
    } catch (error) {
      throw signal?.aborted === true && error === signal.reason ? interrupted(null, error) : error;
    } finally {
      await workspace.dispose();
    }
  }

  /**
   * Writes the run as standard ONNX files with a card that explains them, which {@link load} opens without the run.
   * @param folder that is made
   * @throws ConfigurationError for a folder that holds something, and for methods that cannot be exported; DataError and
   *   CheckpointError for damaged files
   */
  export(folder: string, { onProgress, ...options }: ExportOptions = {}): Promise<ExportResult> {
    return this.use(async () => {
      refuseUnknownOptions('export', options, EXPORT_OPTIONS);
      const { exportRun } = await import('@drf/export');
      const tell = (stage: string): void => startStage(onProgress, stage, 'files').update(0, 1);
      return exportRun(this.folder, { ...options, out: folder, onProgress: tell });
    });
  }

  protected async judgePost(post: PostInput): Promise<Judgment> {
    this.judging ??= this.openJudge();
    return (await this.judging).judge(post);
  }

  protected async explained(post: PostInput) {
    this.judging ??= this.openJudge();
    const judge = await this.judging;
    const { toPostContent } = await import('@drf/judge');
    return { judge, content: await toPostContent(post, judge.info) };
  }

  private async openJudge(): Promise<Judge> {
    const { engine = this.config.engine, checkpoint, allowDownload, warm } = this.options;
    const { openJudge } = await import('@drf/judge');
    return openJudge(this.folder, { engine, checkpoint, allowDownload, warm });
  }

  protected async free(): Promise<void> {
    await (await this.judging?.catch(() => undefined))?.close();
  }
}

function interrupted(folder: string | null, reason: unknown): InterruptedError {
  const remedy = folder === null ? 'no cell was done' : `the cells so far lie in ${folder}`;
  return new InterruptedError('The evaluation', folder, remedy, reason);
}

/**
 * Opens a trained run, to judge, evaluate or export.
 *
 * ```ts
 * await using run = await openRun('runs/posts-drf-seed0');
 * const report = await run.evaluate();
 * ```
 * @throws DataError for a folder that is no run, or a damaged one
 */
export function openRun(folder: string, options: LoadOptions = {}): Promise<Run> {
  return Run.open(folder, options);
}
