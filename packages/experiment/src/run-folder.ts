import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { appendFile, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { formatStrategy, parseStrategy } from '@drf/disruption';
import {
  assertLinksStayInside,
  assertUnlocked,
  lockFile,
  readJson,
  removeTemporaries,
  writeFileAtomic,
  writeJsonAtomic,
  type FileLock,
} from '@drf/files';
import type { MethodShapes } from '@drf/model';
import { ConfigurationError, DataError, MODALITIES } from '@drf/tensor';
import { SPLIT_NAMES, type SplitName } from '@drf/datasets';
import { parseExperiment } from './parse.js';
import type { ExperimentConfig } from './schema.js';

/** What `config.json` of a run says: enough to build the same model and to make the same data again. */
export interface RunDescription {
  readonly config: ExperimentConfig;
  readonly classes: readonly string[];
  /** Ids of the encoders, as the feature cache knows them. */
  readonly encoders: { readonly image: string; readonly text: string };
  readonly shapes: Pick<MethodShapes, 'imageDim' | 'textDim' | 'classes' | 'tokens'>;
  /** Posts of each class, in the order of `classes`; left out by earlier versions. */
  readonly posts?: Readonly<Record<SplitName, readonly number[]>>;
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
      /** Left out by earlier versions. */
      readonly valPosts?: number;
      readonly seconds: number;
    };

/** Which checkpoint a run's result is. */
export interface BestCheckpoint {
  readonly checkpoint: string;
  readonly epoch: number;
  readonly step: number;
  readonly score: number;
  /** Validation loss, which decided between equal scores; earlier versions took the first of them. */
  readonly loss?: number | null;
  readonly validation?: {
    readonly posts: number;
    readonly accuracy: number;
    /** By class: posts, how often it was the answer, and how often rightly. Left out by earlier versions. */
    readonly classes?: readonly { readonly support: number; readonly predicted: number; readonly right: number }[];
  } | null;
  readonly selection: ExperimentConfig['training']['selection'];
}

const CHECKPOINT_NAME = /^step-(\d+)\.safetensors$/;
const CONFIG = 'config.json';
const CHECKPOINTS = 'checkpoints';
const LOCK = 'run.lock';
/** Posts that came from memory rather than from a file. */
const ROWS = 'rows.jsonl';

/** Everything that training and evaluation put into a run. */
const RUN_NAMES = new Set([
  CONFIG,
  CHECKPOINTS,
  LOCK,
  ROWS,
  'splits',
  'ledger.json',
  'rejected.jsonl',
  'manifest.jsonl',
  'posts.json',
  'metrics.jsonl',
  'best.json',
  'calibration.json',
  'report.html',
  'README.md',
  'examples',
  'tracking.json',
  'eval',
]);

/** Far wider than what any encoder gives; more would only take the memory of the machine. */
const width = z.int().min(1).max(65_536);
const tokenShape = z.looseObject({ count: width, dim: width });

/** What `config.json` must hold to be read at all; the experiment in it has a schema of its own. */
const descriptionSchema = z
  .looseObject({
    config: z.record(z.string(), z.unknown()),
    classes: z
      .array(z.string().min(1))
      .min(1)
      .refine((names) => new Set(names).size === names.length, 'a name occurs twice'),
    encoders: z.looseObject({ image: z.string(), text: z.string() }),
    shapes: z.looseObject({
      imageDim: width,
      textDim: width,
      classes: width,
      tokens: z.looseObject({ image: tokenShape, text: tokenShape }).optional(),
    }),
    posts: z.record(z.enum(SPLIT_NAMES), z.array(z.int().min(0))).optional(),
    engine: z.string(),
    versions: z.looseObject({ git: z.string().nullable() }),
  })
  .refine(({ classes, shapes }) => classes.length === shapes.classes, {
    path: ['classes'],
    message: 'another number of names than shapes.classes says',
  });

const bestSchema = z.looseObject({
  checkpoint: z.string().regex(CHECKPOINT_NAME, 'a file name such as step-100.safetensors'),
  epoch: z.number(),
  step: z.number(),
  score: z.number(),
  validation: z
    .looseObject({
      classes: z.array(z.looseObject({ support: z.number(), predicted: z.number(), right: z.number() })).optional(),
    })
    .nullable()
    .optional(),
});

const losses = z.record(z.string(), z.number());

/** A {@link MetricRow}. */
const metricSchema = z.discriminatedUnion('type', [
  z.looseObject({
    type: z.literal('step'),
    step: z.number(),
    epoch: z.number(),
    total: z.number(),
    parts: losses,
    learningRate: z.number(),
    gradientNorm: z.number().optional(),
  }),
  z.looseObject({
    type: z.literal('epoch'),
    step: z.number(),
    epoch: z.number(),
    trainLoss: z.number(),
    trainParts: losses,
    valAccuracy: z.number().nullable(),
    valWeightedF1: z.number().nullable(),
    valLoss: z.number().nullable(),
    valPosts: z.number().optional(),
    seconds: z.number(),
  }),
]);

/**
 * The layout of a run on disk: `config.json`, `splits/`, `ledger.json`, `manifest.jsonl`, `metrics.jsonl`,
 * `checkpoints/step-N.safetensors`, `best.json`, `calibration.json`, `posts.json`, `report.html`, `README.md`; `rows.jsonl` where
 * the posts came from memory; while it is trained, `run.lock`.
 */
export class RunFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = resolve(path);
  }

  /**
   * Whether a new run may be made in a folder; writes nothing.
   * @throws ConfigurationError as {@link RunFolder.create}
   */
  static async assertFree(path: string, options: { readonly overwrite: boolean }): Promise<void> {
    await new RunFolder(path).assertFree(options);
  }

  /**
   * Makes a new run folder. One whose training ended before there was anything to go on with counts as empty.
   * @throws ConfigurationError when there is a run already and `overwrite` is off, or when the folder holds something
   *   else, which is never deleted; DataError when it cannot be made, or a training is at work in it
   */
  static async create(path: string, options: { readonly overwrite: boolean }): Promise<RunFolder> {
    const run = new RunFolder(path);
    const present = await run.assertFree(options);
    if (present.length > 0) {
      await assertUnlocked(run.file(LOCK), `Run folder ${run.path}`);
      // what tells a run from other folders goes last, so that a rest can be told, too
      for (const name of present.filter((name) => name !== CONFIG)) await rm(run.file(name), { recursive: true });
      await rm(run.file(CONFIG), { force: true });
    }
    await mkdir(run.file(CHECKPOINTS), { recursive: true }).catch((error: NodeJS.ErrnoException) => {
      throw new DataError(
        {
          subject: `Run folder ${run.path}`,
          expected: 'a place where it can be made',
          received: error.message,
          remedy: 'check its permissions, or choose another --out',
        },
        { cause: error },
      );
    });
    return run;
  }

  /** A run that is not made, for those who write nothing. */
  static unmade(path: string): RunFolder {
    return new RunFolder(path);
  }

  /**
   * Opens a run, which may come from elsewhere.
   * @throws DataError when the folder is not a run, or holds a link that leads out of it
   */
  static async open(path: string): Promise<RunFolder> {
    const run = new RunFolder(path);
    const isRun = await stat(run.file(CONFIG)).then(
      () => true,
      () => false,
    );
    if (isRun) {
      await assertLinksStayInside(run.path);
      return run;
    }
    throw new DataError({
      subject: `Run folder ${run.path}`,
      expected: 'a folder that training made, with config.json',
      received: 'none',
      remedy: 'name a run (by default below runs/), or train one first',
    });
  }

  /**
   * Makes this process the only one that trains in this folder, and clears away what a killed one left half written.
   * @throws DataError when another process trains there
   */
  async lock(): Promise<FileLock> {
    const lock = await lockFile(this.file(LOCK), `Run folder ${this.path}`);
    await removeTemporaries(this.path, (name) => RUN_NAMES.has(name));
    await removeTemporaries(this.file(CHECKPOINTS), (name) => CHECKPOINT_NAME.test(name));
    await removeTemporaries(this.file('splits'), (name) => name.endsWith('.json'));
    return lock;
  }

  /** What lies in the folder, which a new run may take the place of. @throws ConfigurationError where it may not */
  private async assertFree({ overwrite }: { readonly overwrite: boolean }): Promise<string[]> {
    const present = await readdir(this.path).catch(() => [] as string[]);
    if (present.length === 0) return present;
    const isRun = present.includes(CONFIG) && present.includes(CHECKPOINTS);
    const isRest = await this.isRestOfRun(present);
    const isBarren = isRest && !present.includes(CONFIG) && (await this.checkpointSteps()).length === 0;
    if (!isBarren && !(overwrite && (isRun || isRest))) throw occupied(this.path, isRun || isRest);
    return present;
  }

  /** Whether a folder without a whole run holds nothing but parts of one: of a start or of a deletion that was cut short. */
  private async isRestOfRun(present: readonly string[]): Promise<boolean> {
    if (!present.every((name) => RUN_NAMES.has(name.replace(/\.\d{1,10}$/, '')))) return false;
    return present.includes(CHECKPOINTS) || (await this.readDescription().catch(() => undefined)) !== undefined;
  }

  /** A file's path in the run. */
  file(...names: string[]): string {
    return join(this.path, ...names);
  }

  /** Writes `config.json`, whole or not at all. */
  async writeDescription(description: RunDescription): Promise<void> {
    await writeJsonAtomic(this.file(CONFIG), description);
  }

  /** @throws DataError or ConfigurationError when `config.json` is damaged */
  async readDescription(): Promise<RunDescription> {
    const path = this.file(CONFIG);
    const raw = checked<RunDescription>(path, 'the description of a run', descriptionSchema, await readJson(path));
    return { ...raw, config: this.withOwnRows(parseExperiment(withPresentNames(raw.config), path)) };
  }

  /** Where posts that came from memory are kept: in the run itself. */
  get rowsFile(): string {
    return this.file(ROWS);
  }

  /** Posts that lie in the run are found there, also when it was moved. */
  private withOwnRows(config: ExperimentConfig): ExperimentConfig {
    const { file } = config.dataset;
    if (typeof file !== 'string' || basename(file) !== ROWS || !existsSync(this.rowsFile)) return config;
    return { ...config, dataset: { ...config.dataset, file: this.rowsFile } };
  }

  /** Adds a line to `metrics.jsonl`. */
  async appendMetric(row: MetricRow): Promise<void> {
    await appendFile(this.file('metrics.jsonl'), `${JSON.stringify(row)}\n`);
  }

  /** Rows so far; a line torn by a crash, or damaged otherwise, is left out. */
  async readMetrics(): Promise<MetricRow[]> {
    const text = await readFile(this.file('metrics.jsonl'), 'utf8').catch(() => '');
    return text.split('\n').flatMap((line) => {
      try {
        const row = line === '' ? undefined : metricSchema.safeParse(JSON.parse(line)).data;
        return row === undefined ? [] : [row];
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
    return this.file(CHECKPOINTS, `step-${step}.safetensors`);
  }

  /** Steps of the checkpoints at hand, ascending. */
  async checkpointSteps(): Promise<number[]> {
    const names = await readdir(this.file(CHECKPOINTS)).catch(() => [] as string[]);
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
    if (exists === undefined) return undefined;
    return checked<BestCheckpoint>(path, 'the checkpoint that is best', bestSchema, await readJson(path));
  }

  /** The checkpoint that is the run's result: the best, or the last while there is no best. */
  async resultCheckpoint(): Promise<string> {
    const best = await this.readBest();
    return best === undefined ? this.latestCheckpoint() : this.file(CHECKPOINTS, best.checkpoint);
  }

  /** Deletes all but the last `keep` checkpoints and the best. */
  async pruneCheckpoints(keep: number): Promise<void> {
    const best = await this.readBest();
    for (const step of (await this.checkpointSteps()).slice(0, -keep)) {
      const path = this.checkpointPath(step);
      if (best === undefined || path !== this.file(CHECKPOINTS, best.checkpoint)) await rm(path, { force: true });
    }
  }
}

/** @throws DataError naming the first thing that is wrong with a file of a run */
function checked<Content>(path: string, expected: string, schema: z.ZodType, value: unknown): Content {
  const result = schema.safeParse(value);
  if (result.success) return result.data as Content;
  const [issue] = result.error.issues;
  const place = issue?.path.join('.') ?? '';
  throw new DataError({
    subject: path,
    expected,
    received: `${place === '' ? '' : `${place}: `}${issue?.message ?? 'something else'}`,
    remedy: 'the file was changed by hand or is of another program; restore it, or train again',
  });
}

/**
 * Options of earlier runs by their present names. Runs that know nothing of `featureNorm` say `drf-paper` for what is
 * `drf-adapted` now; those that know nothing of `gaussianRank` either, from before there was a better `drf`, say `drf`
 * for it. Neither had a gradient to Eq. 4's target, and their random disruptions held their shares on average. Over
 * trained encoders no disruptions were simulated, and these dropped no values: a run goes on as it began. The compared
 * methods' width was an option of clmlf alone, and `model.dim` elsewhere.
 */
function withPresentNames(config: ExperimentConfig): unknown {
  const isEarlier = config.model?.featureNorm === undefined;
  const isFormer =
    (config.method === 'drf' && config.model?.gaussianRank === undefined) ||
    (config.method === 'drf-paper' && isEarlier);
  const renamed = isFormer ? { ...config, method: 'drf-adapted' } : config;
  const named = isEarlier
    ? { ...renamed, encoders: withFormerDropout(config.encoders), training: withFormerDisruptions(config) }
    : renamed;
  const { transformerWidth, ...compared } = (config.compared ?? {}) as { readonly transformerWidth?: number };
  if (transformerWidth === undefined) return withFormerModel(named);
  const width = config.method === 'clmlf' ? transformerWidth : config.model?.dim;
  return { ...withFormerModel(named), compared: { ...compared, width } };
}

/** A drf of before there were discriminants has none. */
function withFormerModel<Config extends { readonly method: string; readonly model: ExperimentConfig['model'] }>(
  config: Config,
): Config {
  return config.method === 'drf' ? { ...config, model: { discriminants: 0, ...config.model } } : config;
}

/** Encoders that are trained as before they had dropout. */
function withFormerDropout(encoders: ExperimentConfig['encoders']): ExperimentConfig['encoders'] {
  if (encoders?.dropout !== undefined) return encoders;
  const trained = MODALITIES.filter((modality) => encoders?.trainable?.[modality] === true);
  return { ...encoders, dropout: Object.fromEntries(trained.map((modality) => [modality, 0])) };
}

/** Training posts are disrupted as before shares were exact, where each post was decided on its own. */
function withFormerDisruptions({ encoders, training }: ExperimentConfig): ExperimentConfig['training'] {
  const isAnyTrained = MODALITIES.some((modality) => encoders?.trainable?.[modality] === true);
  const simulation = isAnyTrained ? { share: 0, ...training?.simulation } : training?.simulation;
  const former = { ...training, ...(simulation === undefined ? {} : { simulation }) };
  if (typeof training?.disruption !== 'string') return former;
  const strategy = parseStrategy(training.disruption);
  const hadCoins =
    strategy.kind === 'modality-random' || (strategy.kind === 'modality-fixed' && strategy.setting === 'C+D');
  if (!hadCoins) return former;
  return { ...former, disruption: formatStrategy({ ...strategy, independent: true }) };
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

/** What a run was made with; saved in its `config.json`. */
export interface Versions {
  readonly node: string;
  readonly platform: string;
  readonly packages: { readonly [name: string]: string };
  /** Commit of the working tree, with "+changes" when it had uncommitted ones; null outside git. */
  readonly git: string | null;
}

const require = createRequire(import.meta.url);

async function gitRevision(folder: string): Promise<string | null> {
  const git = async (...args: string[]): Promise<string> =>
    (await promisify(execFile)('git', ['-C', folder, ...args], { timeout: 5000 })).stdout.trim();
  try {
    const revision = await git('rev-parse', 'HEAD');
    return (await git('status', '--porcelain', '--untracked-files=no')) === '' ? revision : `${revision}+changes`;
  } catch {
    return null; // no git, or no repository
  }
}

/** Reads versions of Node, of this project and of tfjs, and the git revision of the given folder. */
export async function readVersions(folder: string = process.cwd()): Promise<Versions> {
  const tfjs = (require('@tensorflow/tfjs/package.json') as { version: string }).version;
  const own = (require('../package.json') as { version: string }).version;
  return {
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    packages: { '@drf/experiment': own, '@tensorflow/tfjs': tfjs },
    git: await gitRevision(folder),
  };
}
