import { statSync } from 'node:fs';
import { join } from 'node:path';
import { isCorruptionName, parseStrategy, SEVERITIES, type DisruptionEntry } from '@drf/disruption';
import type { ExperimentConfig } from '@drf/experiment';
import { contentHash } from '@drf/files';
import { argMax, classificationReport, type ClassificationReport } from '@drf/metrics';
import { hostTensor, type Modality } from '@drf/tensor';
import { formatCell, parseCell } from '../cells.js';
import { inTransaction, openStore, type Connection, type Row, type Statement, type Value } from './connection.js';
import { isPooled, poolFolds } from './pool-folds.js';
import type {
  CellRecord,
  CellRow,
  MethodCost,
  StoredCell,
  StoredDisruption,
  StoredEpoch,
  StoredFeatures,
  StoredPosts,
  StoredPrediction,
  TrainingRecord,
} from './records.js';

/** The store's name in a grid's folder. */
export const STORE_NAME = 'results.sqlite';

/** A grid's folder or its file. */
export function storeFile(path: string): string {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true ? join(path, STORE_NAME) : path;
}

/**
 * Trainings and their judged cells. Where several trainings stand for the same cell, that which finished last counts;
 * the folds of a cross-validation are one cell over all their posts.
 *
 * @example
 * const store = new ResultStore('runs/grid', 'read');
 * for (const cell of store.cells) console.log(formatCell(cell), cell.method, cell.accuracy);
 */
export class ResultStore {
  private readonly connection: Connection;
  private readonly statements = new Map<string, Statement>();
  private readonly postLists = new Map<string, StoredPosts>();
  private readonly answers = new Map<string, Int32Array>();
  private pooled: ReturnType<typeof poolFolds> | undefined;

  /**
   * @param path of the store or of a grid's folder; `:memory:` for one that ends with this object
   * @throws as {@link openStore}
   */
  constructor(path: string, mode: 'read' | 'write') {
    this.connection = openStore(storeFile(path), mode);
  }

  get cells(): readonly StoredCell[] {
    return this.pool().cells;
  }

  /** How many cells are left out, because their cross-validation lacks other folds. */
  get waiting(): number {
    return this.pool().waiting;
  }

  posts({ postsKey, rows }: Pick<StoredCell, 'postsKey' | 'rows'>): StoredPosts {
    return remembered(this.postLists, postsKey, () => {
      const lists = rows.map((row) => this.postList(row));
      return {
        classes: lists[0]?.classes ?? [],
        ids: lists.flatMap(({ ids }) => ids),
        labels: Int32Array.from(lists.flatMap(({ labels }) => [...labels])),
      };
    });
  }

  private postList({ postListId }: CellRow): StoredPosts {
    const posts = this.all('SELECT post, truth FROM post WHERE post_list_id = ? ORDER BY position', postListId);
    const [list] = this.all('SELECT classes FROM post_list WHERE id = ?', postListId);
    return {
      classes: JSON.parse(text(list?.classes ?? '[]')) as string[],
      ids: posts.map(({ post }) => text(post)),
      labels: Int32Array.from(posts, ({ truth }) => Number(truth)),
    };
  }

  /** One class index a post. */
  predicted({ rows }: Pick<StoredCell, 'rows'>): Int32Array {
    return remembered(this.answers, rows.map(({ id }) => id).join(), () => {
      const sql = 'SELECT predicted FROM prediction WHERE cell_id = ? ORDER BY position';
      return Int32Array.from(
        rows.flatMap(({ id }) => this.all(sql, id)),
        ({ predicted }) => Number(predicted),
      );
    });
  }

  predictions(cell: StoredCell): StoredPrediction[] {
    const sql = 'SELECT * FROM prediction WHERE cell_id = ? ORDER BY position';
    return this.placed(cell, ({ id }) =>
      this.all(sql, id).map((row) => ({
        position: Number(row.position),
        predicted: Number(row.predicted),
        probabilities: JSON.parse(text(row.probabilities)) as number[],
        available: { image: row.image_available === 1, text: row.text_available === 1 },
        densities: {
          image: numberOrNull(row.image_density),
          text: numberOrNull(row.text_density),
          recoveredText: numberOrNull(row.recovered_text_density),
          recoveredImage: numberOrNull(row.recovered_image_density),
        },
        weights: {
          both: numberOrNull(row.both_weight),
          image: numberOrNull(row.image_weight),
          text: numberOrNull(row.text_weight),
        },
      })),
    );
  }

  report(cell: StoredCell): ClassificationReport {
    if (isPooled(cell)) {
      const { classes, labels } = this.posts(cell);
      const rows = this.predictions(cell).flatMap(({ probabilities }) => probabilities);
      const probabilities = hostTensor(Float32Array.from(rows), [labels.length, classes.length]);
      return classificationReport(labels, probabilities, classes);
    }
    const [row] = this.all('SELECT report FROM cell WHERE id = ?', cell.rows[0].id);
    return JSON.parse(text(row?.report)) as ClassificationReport;
  }

  /** Of a cross-validation that of the first fold. */
  config(cell: StoredCell): ExperimentConfig {
    const [row] = this.all('SELECT config FROM training WHERE id = ?', cell.rows[0].trainingId);
    return JSON.parse(text(row?.config)) as ExperimentConfig;
  }

  /** The disruptions of a cell's posts; none of intact ones. */
  disruptions(cell: StoredCell): StoredDisruption[] {
    const { ids } = this.posts(cell);
    const found = this.placed(cell, ({ manifestId }) =>
      manifestId === null
        ? []
        : this.all('SELECT * FROM disruption WHERE manifest_id = ? ORDER BY position', manifestId).map(
            (row): Omit<StoredDisruption, 'id'> => ({
              position: Number(row.position),
              modality: modalityOf(row.modality),
              operation: row.operation === 'corrupt' ? 'corrupt' : 'discard',
              fraction: numberOrNull(row.fraction),
              seed: JSON.parse(textOrNull(row.random_seed) ?? 'null') as DisruptionEntry['seed'],
              ...corruptionOf(row),
            }),
          ),
    );
    return found.map((entry) => ({ ...entry, id: ids[entry.position] ?? '' }));
  }

  /** What stood for masked words in a cell. */
  mask({ rows }: StoredCell): string {
    const [{ manifestId }] = rows;
    const [row] = manifestId === null ? [] : this.all('SELECT mask FROM manifest WHERE id = ?', manifestId);
    return row === undefined ? '' : text(row.mask);
  }

  /** Of a cross-validation those of the first fold. */
  epochs({ rows }: StoredCell): StoredEpoch[] {
    const [{ trainingId }] = rows;
    return this.all('SELECT * FROM epoch WHERE training_id = ? ORDER BY epoch', trainingId).map((row) => ({
      epoch: Number(row.epoch),
      step: Number(row.step),
      trainLoss: Number(row.train_loss),
      trainParts: JSON.parse(text(row.train_parts)) as StoredEpoch['trainParts'],
      valAccuracy: numberOrNull(row.val_accuracy),
      valWeightedF1: numberOrNull(row.val_weighted_f1),
      valLoss: numberOrNull(row.val_loss),
    }));
  }

  /** Of a cross-validation those of the first fold: each fold has features of its own model. */
  features(cell: StoredCell): StoredFeatures[] {
    return this.all('SELECT * FROM feature WHERE cell_id = ?', cell.rows[0].id).map((row) => ({
      modality: modalityOf(row.modality),
      positions: new Int32Array(bufferOf(row.positions)),
      width: Number(row.width),
      recovered: new Float32Array(bufferOf(row.recovered)),
      original: new Float32Array(bufferOf(row.original)),
    }));
  }

  /** Trainings that count, their wall time, and the versions of results and of the code (12 digits) that made them. */
  summary(): {
    readonly trainings: number;
    readonly hours: number;
    readonly resultVersions: readonly number[];
    readonly versions: readonly string[];
  } {
    const counted = new Set(this.cells.flatMap(({ rows }) => rows.map(({ trainingId }) => trainingId)));
    const rows = this.all(
      "SELECT id, seconds, result_version, json_extract(versions, '$.git') AS git FROM training ORDER BY id",
    ).filter(({ id }) => counted.has(Number(id)));
    const versions = rows.map(({ git }) => textOrNull(git) ?? 'unknown');
    return {
      trainings: rows.length,
      hours: rows.reduce((sum, { seconds }) => sum + Number(seconds), 0) / 3600,
      resultVersions: [...new Set(rows.map((row) => Number(row.result_version)))].sort((one, other) => one - other),
      versions: [...new Set(versions.map((git) => git.replace(/^([0-9a-f]{12})[0-9a-f]*/, '$1')))],
    };
  }

  /** What the trainings behind some cells of one method cost. */
  cost(cells: readonly StoredCell[]): MethodCost | null {
    const ids = [...new Set(cells.flatMap(({ rows }) => rows.map(({ trainingId }) => trainingId)))];
    const sql = 'SELECT seconds, parameters, memory_bytes FROM training WHERE id = ?';
    const rows = ids.flatMap((id) => this.all(sql, id));
    const most = (column: 'parameters' | 'memory_bytes'): number | null => {
      const known = rows.flatMap((row) => numberOrNull(row[column]) ?? []);
      return known.length === 0 ? null : Math.max(...known);
    };
    if (rows.length === 0) return null;
    return {
      trainings: rows.length,
      seconds: rows.reduce((sum, { seconds }) => sum + Number(seconds), 0) / rows.length,
      parameters: most('parameters'),
      memoryBytes: most('memory_bytes'),
    };
  }

  /** Identities of the cells at hand. @param resultVersion left out: of any version */
  known(resultVersion?: number): Set<string> {
    const sql = 'SELECT c.identity FROM cell c JOIN training t ON t.id = c.training_id';
    const rows =
      resultVersion === undefined ? this.all(sql) : this.all(`${sql} WHERE t.result_version = ?`, resultVersion);
    return new Set(rows.map(({ identity }) => text(identity)));
  }

  /** Mean wall time of the trainings so far by experiment and method, in seconds. */
  secondsByMethod(): Map<string, number> {
    const rows = this.all(
      'SELECT experiment, method, avg(seconds) AS seconds FROM training GROUP BY experiment, method',
    );
    return new Map(rows.map(({ experiment, method, seconds }) => [`${experiment} ${method}`, Number(seconds)]));
  }

  /** Takes in a training and its cells, whole or not at all; what is there already stays. */
  add(training: TrainingRecord): void {
    inTransaction(this.connection, () => {
      const trainingId = this.addTraining(training);
      const postListId = this.addPosts(training.posts);
      for (const cell of training.cells) this.addCell(cell, training, trainingId, postListId);
    });
    this.pooled = undefined;
  }

  close(): void {
    this.connection.close();
  }

  private addTraining(training: TrainingRecord): number {
    const { identity, experiment, fold, method, without, config, versions, encoders, engine, best } = training;
    const address = addressOf(identity, training);
    const known = this.find('training', { address });
    if (known !== undefined) return known;
    const id = this.insert('training', {
      address,
      identity,
      result_version: training.resultVersion,
      experiment,
      fold: fold?.fold ?? null,
      folds: fold?.folds ?? null,
      dataset: config.dataset.name,
      method,
      without,
      disruption: config.training.disruption,
      seed: config.seed,
      config: JSON.stringify(config),
      versions: JSON.stringify(versions),
      image_encoder: encoders.image,
      text_encoder: encoders.text,
      engine,
      best_epoch: best?.epoch ?? null,
      best_step: best?.step ?? null,
      best_score: best?.score ?? null,
      seconds: training.seconds,
      parameters: training.parameters,
      memory_bytes: training.memoryBytes,
      folder: training.folder,
      finished_at: this.nextDate(),
    });
    for (const { epoch, step, trainLoss, trainParts, valAccuracy, valWeightedF1, valLoss } of training.epochs) {
      this.insert('epoch', {
        training_id: id,
        epoch,
        step,
        train_loss: trainLoss,
        train_parts: JSON.stringify(trainParts),
        val_accuracy: valAccuracy,
        val_weighted_f1: valWeightedF1,
        val_loss: valLoss,
      });
    }
    return id;
  }

  /** Now; or just after the newest training, where the clock was set back since: the newest is the one that counts. */
  private nextDate(): string {
    const newest = this.prepare('SELECT max(finished_at) AS newest FROM training').get()?.newest;
    const after = typeof newest === 'string' ? Date.parse(newest) + 1 : 0;
    return new Date(Math.max(Date.now(), after)).toISOString();
  }

  private addPosts({ hash, dataset, split, classes, ids, labels }: TrainingRecord['posts']): number {
    const known = this.find('post_list', { hash });
    if (known !== undefined) return known;
    const id = this.insert('post_list', { hash, dataset, split, classes: JSON.stringify(classes) });
    ids.forEach((post, position) => {
      this.insert('post', { post_list_id: id, position, post, truth: labels[position] });
    });
    return id;
  }

  private addManifest(
    strategy: string,
    { seed, mask, entries }: NonNullable<CellRecord['manifest']>,
    postListId: number,
    posts: StoredPosts,
  ): number {
    const key = { post_list_id: postListId, strategy, seed, mask };
    const known = this.find('manifest', key);
    if (known !== undefined) return known;
    const id = this.insert('manifest', { ...key, hash: contentHash(JSON.stringify(entries)) });
    const places = new Map(posts.ids.map((post, position) => [post, position]));
    for (const { id: post, modality, operation, fraction, seed: own, corruption, severity } of entries) {
      const position = places.get(post);
      if (position === undefined) continue;
      const random_seed = own === null ? null : JSON.stringify(own);
      const how = { modality, operation, fraction, random_seed, corruption, severity };
      this.insert('disruption', { manifest_id: id, position, ...how });
    }
    return id;
  }

  private addCell(cell: CellRecord, training: TrainingRecord, trainingId: number, postListId: number): void {
    const { identity, testedOn, manifest, report, quality } = cell;
    const address = addressOf(identity, training);
    if (this.find('cell', { address }) !== undefined) return;
    const name = formatCell({ testedOn });
    const id = this.insert('cell', {
      address,
      identity,
      training_id: trainingId,
      name,
      kind: testedOn.kind,
      modality: testedOn.kind === 'modality-fixed' ? testedOn.modality : null,
      setting: 'setting' in testedOn ? testedOn.setting : null,
      ratio: 'ratio' in testedOn ? testedOn.ratio : null,
      post_list_id: postListId,
      manifest_id: manifest === null ? null : this.addManifest(name, manifest, postListId, training.posts),
      posts: report.count,
      accuracy: report.accuracy,
      weighted_f1: report.weightedF1,
      macro_f1: report.macroF1,
      calibration_error: report.calibration?.expectedCalibrationError ?? null,
      log_likelihood: report.calibration?.negativeLogLikelihood ?? null,
      image_auroc: quality?.image ?? null,
      text_auroc: quality?.text ?? null,
      report: JSON.stringify(report),
    });
    this.addPredictions(cell, id, training.posts.classes.length);
    for (const { modality, positions, width, recovered, original } of cell.features) {
      const [places, ours, true_] = [positions, recovered, original].map(bytesOf);
      this.insert('feature', { cell_id: id, modality, positions: places, width, recovered: ours, original: true_ });
    }
  }

  private addPredictions(
    { probabilities, available, densities, weights }: CellRecord,
    cell: number,
    classes: number,
  ): void {
    const at = (values: Float32Array | null | undefined, position: number): number | null => {
      const value = values?.[position];
      return value === undefined || !Number.isFinite(value) ? null : value;
    };
    for (let position = 0; position * classes < probabilities.length; position++) {
      const row = probabilities.subarray(position * classes, (position + 1) * classes);
      const [image, text] = [available.image[position], available.text[position]];
      this.insert('prediction', {
        cell_id: cell,
        position,
        predicted: argMax(row),
        probabilities: JSON.stringify([...row].map((value) => Number(value.toFixed(6)))),
        image_available: image,
        text_available: text,
        image_density: image === 1 ? at(densities?.image, position) : null,
        text_density: text === 1 ? at(densities?.text, position) : null,
        recovered_text_density: image === 1 ? at(densities?.recoveredText, position) : null,
        recovered_image_density: text === 1 ? at(densities?.recoveredImage, position) : null,
        both_weight: at(weights?.both, position),
        image_weight: at(weights?.image, position),
        text_weight: at(weights?.text, position),
      });
    }
  }

  private pool(): ReturnType<typeof poolFolds> {
    return (this.pooled ??= poolFolds(this.readCells(), (cell) => {
      const { accuracy, weightedF1 } = classificationReport(
        this.posts(cell).labels,
        this.predicted(cell),
        this.posts(cell).classes,
      );
      return { accuracy, weightedF1 };
    }));
  }

  private readCells(): StoredCell[] {
    const rows = this.all(`
      SELECT c.*, t.experiment, t.fold, t.folds, t.method, t.without, t.disruption, t.seed, l.split, m.hash,
        CASE WHEN l.dataset = t.dataset THEN t.dataset ELSE l.dataset || ', trained on ' || t.dataset END AS dataset
      FROM cell c JOIN training t ON t.id = c.training_id JOIN post_list l ON l.id = c.post_list_id
      LEFT JOIN manifest m ON m.id = c.manifest_id
      ORDER BY t.finished_at, t.id, c.id`);
    const newest = new Map<string, StoredCell>();
    for (const cell of rows.map(cellOf)) {
      const { experiment, split, method, without } = cell;
      newest.set(JSON.stringify([experiment, split, method, without, formatCell(cell)]), cell);
    }
    return [...newest.values()];
  }

  /** Entries of all rows of a cell, their positions in the list of all its posts. */
  private placed<Entry extends { readonly position: number }>(
    { rows }: StoredCell,
    read: (row: CellRow) => Entry[],
  ): Entry[] {
    let before = 0;
    return rows.flatMap((row) => {
      const entries = read(row).map((entry) => ({ ...entry, position: before + entry.position }));
      before += row.posts;
      return entries;
    });
  }

  private prepare(sql: string): Statement {
    return remembered(this.statements, sql, () => this.connection.prepare(sql));
  }

  private all(sql: string, ...values: readonly number[]): Row[] {
    return this.prepare(sql).all(...values);
  }

  private find(table: string, key: Readonly<Record<string, string | number>>): number | undefined {
    const where = Object.keys(key).map((name) => `${name} = ?`).join(' AND '); // prettier-ignore
    const row = this.prepare(`SELECT id FROM ${table} WHERE ${where}`).get(...Object.values(key));
    return row === undefined ? undefined : Number(row.id);
  }

  private insert(table: string, row: Readonly<Record<string, Value | undefined>>): number {
    const names = Object.keys(row);
    const sql = `INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`;
    const values = Object.values(row).map((value) => value ?? null);
    return Number(this.prepare(sql).run(...values).lastInsertRowid);
  }
}

/** Tells a training or a cell from every other. */
function addressOf(identity: string, { resultVersion }: Pick<TrainingRecord, 'resultVersion'>): string {
  return `${identity} ${resultVersion}`;
}

function bytesOf({ buffer, byteOffset, byteLength }: Int32Array | Float32Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function remembered<T>(known: Map<string, T>, key: string, make: () => T): T {
  const found = known.get(key) ?? make();
  known.set(key, found);
  return found;
}

/** libsql gives blobs as buffers of their own. */
const bufferOf = (value: Row[string]): ArrayBuffer => (value instanceof ArrayBuffer ? value : new ArrayBuffer(0));
const modalityOf = (value: Row[string]): Modality => (value === 'image' ? 'image' : 'text');
const text = (value: Row[string]): string => String(value);
const textOrNull = (value: Row[string]): string | null =>
  value === null || value === undefined ? null : String(value);
const numberOrNull = (value: Row[string]): number | null =>
  value === null || value === undefined ? null : Number(value);

/** What a row says of a corruption beyond the paper's; nothing of others. */
function corruptionOf(row: Row): Pick<DisruptionEntry, 'corruption' | 'severity'> {
  const severity = SEVERITIES.find((known) => known === row.severity);
  return isCorruptionName(row.corruption) && severity !== undefined ? { corruption: row.corruption, severity } : {};
}

function cellOf(row: Row): StoredCell {
  const [fold, folds] = [numberOrNull(row.fold), numberOrNull(row.folds)];
  const own: CellRow = {
    id: Number(row.id),
    trainingId: Number(row.training_id),
    postListId: Number(row.post_list_id),
    manifestId: numberOrNull(row.manifest_id),
    posts: Number(row.posts),
  };
  return {
    trainedOn: parseStrategy(text(row.disruption)),
    testedOn: parseCell(text(row.name)).testedOn,
    fold: fold === null || folds === null ? null : { fold, folds },
    seed: Number(row.seed),
    experiment: text(row.experiment),
    dataset: text(row.dataset),
    split: text(row.split),
    method: text(row.method),
    without: textOrNull(row.without),
    posts: own.posts,
    accuracy: Number(row.accuracy),
    weightedF1: Number(row.weighted_f1),
    imageAuroc: numberOrNull(row.image_auroc),
    textAuroc: numberOrNull(row.text_auroc),
    postsKey: String(own.postListId),
    disruptionKey: textOrNull(row.hash),
    rows: [own],
  };
}
