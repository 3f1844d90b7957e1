import { appendFile, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { readJson, writeFileAtomic, writeJsonAtomic } from '@drf/files';
import type { MethodShapes } from '@drf/model';
import { ConfigurationError, DataError } from '@drf/tensor';
import { parseExperiment } from './parse.js';
import type { ExperimentConfig } from './schema.js';
import type { Versions } from './versions.js';

/** What `config.json` of a run says: enough to build the same model and to make the same data again. */
export interface RunDescription {
  readonly config: ExperimentConfig;
  readonly classes: readonly string[];
  /** Ids of the encoders, as the feature cache knows them. */
  readonly encoders: { readonly image: string; readonly text: string };
  readonly shapes: Pick<MethodShapes, 'imageDim' | 'textDim' | 'classes' | 'tokens'>;
  readonly engine: string;
  readonly versions: Versions;
  readonly createdAt: string;
}

/** One line of `metrics.jsonl`. */
export type MetricRow =
  | {
      readonly type: 'step';
      readonly step: number;
      readonly epoch: number;
      readonly total: number;
      readonly parts: { readonly [name: string]: number };
      readonly learningRate: number;
      /** Before clipping, where gradients are clipped. */
      readonly gradientNorm?: number;
    }
  | {
      readonly type: 'epoch';
      readonly step: number;
      /** Epochs done, from 1. */
      readonly epoch: number;
      readonly trainLoss: number;
      readonly trainParts: { readonly [name: string]: number };
      /** null without a validation split */
      readonly valAccuracy: number | null;
      readonly valWeightedF1: number | null;
      readonly valLoss: number | null;
      readonly seconds: number;
    };

/** Which checkpoint a run's result is. */
export interface BestCheckpoint {
  readonly checkpoint: string;
  readonly epoch: number;
  readonly step: number;
  readonly score: number;
  readonly selection: ExperimentConfig['training']['selection'];
}

const CHECKPOINT_NAME = /^step-(\d+)\.safetensors$/;

/**
 * The layout of a run on disk: `config.json`, `splits/`, `ledger.json`, `manifest.jsonl`, `metrics.jsonl`,
 * `checkpoints/step-N.safetensors`, `best.json`, `report.html`.
 */
export class RunFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = resolve(path);
  }

  /**
   * Makes a new run folder.
   * @throws ConfigurationError when there is a run already and `overwrite` is off, or when the folder holds something
   *   else, which is never deleted
   */
  static async create(path: string, options: { readonly overwrite: boolean }): Promise<RunFolder> {
    const run = new RunFolder(path);
    const present = await readdir(run.path).catch(() => [] as string[]);
    if (present.length > 0) {
      const isRun = present.includes('config.json') && present.includes('checkpoints');
      if (!isRun || !options.overwrite) throw occupied(run.path, isRun);
      await rm(run.path, { recursive: true });
    }
    await mkdir(run.file('checkpoints'), { recursive: true });
    return run;
  }

  /** @throws DataError when the folder is not a run */
  static async open(path: string): Promise<RunFolder> {
    const run = new RunFolder(path);
    const isRun = await stat(run.file('config.json')).then(
      () => true,
      () => false,
    );
    if (isRun) return run;
    throw new DataError({
      subject: `Run folder ${run.path}`,
      expected: 'a folder that training made, with config.json',
      received: 'none',
      remedy: 'name a run (by default below runs/), or train one first',
    });
  }

  /** A file's path in the run. */
  file(...names: string[]): string {
    return join(this.path, ...names);
  }

  /** Writes `config.json`, whole or not at all. */
  async writeDescription(description: RunDescription): Promise<void> {
    await writeJsonAtomic(this.file('config.json'), description);
  }

  /** @throws DataError or ConfigurationError when `config.json` is damaged */
  async readDescription(): Promise<RunDescription> {
    const path = this.file('config.json');
    const raw = (await readJson(path)) as RunDescription;
    if (!Array.isArray(raw.classes) || typeof raw.shapes?.imageDim !== 'number') {
      throw new DataError({
        subject: path,
        expected: 'config, classes and shapes of a run',
        received: `keys ${Object.keys(raw).join(', ')}`,
        remedy: 'the file was changed by hand or is of another program',
      });
    }
    return { ...raw, config: parseExperiment(withPresentNames(raw.config), path) };
  }

  /** Adds a line to `metrics.jsonl`. */
  async appendMetric(row: MetricRow): Promise<void> {
    await appendFile(this.file('metrics.jsonl'), `${JSON.stringify(row)}\n`);
  }

  /** Rows so far; a line torn by a crash is left out. */
  async readMetrics(): Promise<MetricRow[]> {
    const text = await readFile(this.file('metrics.jsonl'), 'utf8').catch(() => '');
    return text.split('\n').flatMap((line) => {
      try {
        return line === '' ? [] : [JSON.parse(line) as MetricRow];
      } catch {
        return [];
      }
    });
  }

  /** Forgets what was logged after a step, before going on from its checkpoint. */
  async truncateMetrics(step: number): Promise<void> {
    const rows = (await this.readMetrics()).filter((row) => row.step <= step);
    await writeFileAtomic(this.file('metrics.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  }

  /** Where the checkpoint after `step` steps lies. */
  checkpointPath(step: number): string {
    return this.file('checkpoints', `step-${step}.safetensors`);
  }

  /** Steps of the checkpoints at hand, ascending. */
  async checkpointSteps(): Promise<number[]> {
    const names = await readdir(this.file('checkpoints')).catch(() => [] as string[]);
    return names
      .map((name) => CHECKPOINT_NAME.exec(name)?.[1])
      .filter((step) => step !== undefined)
      .map(Number)
      .sort((a, b) => a - b);
  }

  /** @throws DataError when the run has no checkpoint yet */
  async latestCheckpoint(): Promise<string> {
    const last = (await this.checkpointSteps()).at(-1);
    if (last !== undefined) return this.checkpointPath(last);
    throw new DataError({
      subject: `Run folder ${this.path}`,
      expected: 'a checkpoint in checkpoints/',
      received: 'none',
      remedy: 'training ended before its first checkpoint; train again with --overwrite',
    });
  }

  /** Writes `best.json`, whole or not at all. */
  async writeBest(best: BestCheckpoint): Promise<void> {
    await writeJsonAtomic(this.file('best.json'), best);
  }

  /**
   * Which checkpoint was best; undefined before there is one.
   * @throws DataError when `best.json` is damaged
   */
  async readBest(): Promise<BestCheckpoint | undefined> {
    const path = this.file('best.json');
    const exists = await stat(path).catch(() => undefined);
    return exists === undefined ? undefined : ((await readJson(path)) as BestCheckpoint);
  }

  /** The checkpoint that is the run's result: the best, or the last while there is no best. */
  async resultCheckpoint(): Promise<string> {
    const best = await this.readBest();
    return best === undefined ? this.latestCheckpoint() : this.file('checkpoints', best.checkpoint);
  }

  /** Deletes all but the last `keep` checkpoints and the best. */
  async pruneCheckpoints(keep: number): Promise<void> {
    const best = await this.readBest();
    for (const step of (await this.checkpointSteps()).slice(0, -keep)) {
      const path = this.checkpointPath(step);
      if (best === undefined || path !== this.file('checkpoints', best.checkpoint)) await rm(path, { force: true });
    }
  }
}

/**
 * Options of earlier runs by their present names. Runs from before there was a better `drf` say `drf` for the paper's;
 * they know nothing of its options. The compared methods' width was an option of clmlf alone, and `model.dim` elsewhere.
 */
function withPresentNames(config: ExperimentConfig): unknown {
  const isFormer = config.method === 'drf' && !('gaussianRank' in config.model);
  const named = isFormer ? { ...config, method: 'drf-paper' } : config;
  const { transformerWidth, ...compared } = (config.compared ?? {}) as { readonly transformerWidth?: number };
  if (transformerWidth === undefined) return named;
  const width = config.method === 'clmlf' ? transformerWidth : config.model.dim;
  return { ...named, compared: { ...compared, width } };
}

function occupied(path: string, isRun: boolean): ConfigurationError {
  return new ConfigurationError({
    subject: `Run folder ${path}`,
    expected: 'a new or empty folder',
    received: isRun ? 'a run' : 'other files',
    remedy: isRun
      ? 'use --resume to go on with it, --overwrite to start anew, or another --out'
      : 'choose another --out',
  });
}
