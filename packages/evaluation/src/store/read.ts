import { statSync } from 'node:fs';
import { join } from 'node:path';
import { classificationReport, type ClassificationReport } from '@drf/metrics';
import { hostTensor, type Modality } from '@drf/tensor';
import type { ExperimentConfig } from '@drf/experiment';
import { openForReading, type Connection, type Row } from './database.js';
import { isPooled, poolFolds, type Scores } from './pool-folds.js';
import { presentMethod } from './schema.js';
import type {
  StoredCell,
  StoredPrediction,
  StoredPosts,
  StoredDisruption,
  StoredEpoch,
  StoredFeatures,
} from './stored.js';

/** The store's name in a grid's folder. */
export const STORE_NAME = 'results.sqlite';

/** A grid's folder or its file. */
export function storeFile(path: string): string {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true ? join(path, STORE_NAME) : path;
}

const text = (value: Row[string]): string => String(value);
const textOrNull = (value: Row[string]): string | null =>
  value === null || value === undefined ? null : String(value);
const numberOrNull = (value: Row[string]): number | null =>
  value === null || value === undefined ? null : Number(value);
const floats = (value: Row[string]): Float32Array => new Float32Array(value as ArrayBuffer);

/** The cells that a cell is made of: those of its folds, else itself. */
function membersOf(cell: StoredCell): readonly StoredCell[] {
  return isPooled(cell) ? cell.members : [cell];
}

/**
 * What a store says. Where several trainings stand for the same cell, that which finished last counts; the folds of a
 * cross-validation are one cell over all their posts.
 */
export class ResultStore {
  private readonly connection: Connection;
  private readonly postLists = new Map<number, StoredPosts>();
  private readonly answers = new Map<number, Int32Array>();
  readonly cells: readonly StoredCell[];
  /** Cells that are left out, because their cross-validation lacks other folds. */
  readonly waiting: number;

  /** @throws DataError when there is no store; ConfigurationError when it is of another version */
  constructor(path: string) {
    this.connection = openForReading(storeFile(path));
    const { cells, waiting } = poolFolds(this.readCells(), (members) => this.scores(members));
    for (const cell of cells.filter(isPooled)) this.postLists.set(cell.postListId, this.pooledPosts(cell));
    this.cells = cells;
    this.waiting = waiting;
  }

  /** @param id of a cell's list */
  posts(id: number): StoredPosts {
    const known = this.postLists.get(id);
    if (known !== undefined) return known;
    const rows = this.all('SELECT post, truth FROM post WHERE post_list_id = ? ORDER BY position', id);
    const [list] = this.all('SELECT classes FROM post_list WHERE id = ?', id);
    const posts = {
      classes: JSON.parse(text(list?.classes ?? '[]')) as string[],
      ids: rows.map(({ post }) => text(post as string)),
      labels: Int32Array.from(rows, ({ truth }) => Number(truth)),
    };
    this.postLists.set(id, posts);
    return posts;
  }

  /** One class index a post. */
  predicted(cell: StoredCell): Int32Array {
    const known = this.answers.get(cell.id);
    if (known !== undefined) return known;
    const rows = membersOf(cell).flatMap(({ id }) =>
      this.all('SELECT predicted FROM prediction WHERE cell_id = ? ORDER BY position', id),
    );
    const answers = Int32Array.from(rows, ({ predicted }) => Number(predicted));
    this.answers.set(cell.id, answers);
    return answers;
  }

  predictions(cell: StoredCell): StoredPrediction[] {
    return this.ofMembers(cell, (member) => this.predictionsOf(member));
  }

  private predictionsOf({ id }: StoredCell): StoredPrediction[] {
    return this.all('SELECT * FROM prediction WHERE cell_id = ? ORDER BY position', id).map((row) => ({
      position: Number(row.position),
      predicted: Number(row.predicted),
      probabilities: JSON.parse(text(row.probabilities as string)) as number[],
      available: { image: row.image_available === 1, text: row.text_available === 1 },
      densities: {
        image: numberOrNull(row.image_density as number),
        text: numberOrNull(row.text_density as number),
        recoveredText: numberOrNull(row.recovered_text_density as number),
        recoveredImage: numberOrNull(row.recovered_image_density as number),
      },
      weights: {
        both: numberOrNull(row.both_weight as number),
        image: numberOrNull(row.image_weight as number),
        text: numberOrNull(row.text_weight as number),
      },
    }));
  }

  report(cell: StoredCell): ClassificationReport {
    if (isPooled(cell)) {
      const { classes, labels } = this.posts(cell.postListId);
      const rows = this.predictions(cell).flatMap(({ probabilities }) => probabilities);
      return classificationReport(
        labels,
        hostTensor(Float32Array.from(rows), [labels.length, classes.length]),
        classes,
      );
    }
    const [row] = this.all('SELECT report FROM cell WHERE id = ?', cell.id);
    return JSON.parse(text(row?.report)) as ClassificationReport;
  }

  config(trainingId: number): ExperimentConfig {
    const [row] = this.all('SELECT config FROM training WHERE id = ?', trainingId);
    return JSON.parse(text(row?.config)) as ExperimentConfig;
  }

  /** The disruptions of a cell's posts; none of intact ones. */
  disruptions(cell: StoredCell): StoredDisruption[] {
    return this.ofMembers(cell, (member) => this.disruptionsOf(member));
  }

  private disruptionsOf({ manifestId }: StoredCell): StoredDisruption[] {
    if (manifestId === null) return [];
    return this.all('SELECT * FROM disruption WHERE manifest_id = ? ORDER BY position', manifestId).map((row) => ({
      position: Number(row.position),
      modality: row.modality as Modality,
      operation: row.operation as StoredDisruption['operation'],
      fraction: numberOrNull(row.fraction as number),
      seed: textOrNull(row.random_seed as string),
    }));
  }

  /** What stood for masked words in a cell. */
  mask(cell: StoredCell): string {
    const { manifestId } = membersOf(cell)[0] as StoredCell;
    const [row] = manifestId === null ? [] : this.all('SELECT mask FROM manifest WHERE id = ?', manifestId);
    return row === undefined ? '' : text(row.mask);
  }

  epochs(trainingId: number): StoredEpoch[] {
    return this.all('SELECT * FROM epoch WHERE training_id = ? ORDER BY epoch', trainingId).map((row) => ({
      epoch: Number(row.epoch),
      trainLoss: Number(row.train_loss),
      valAccuracy: numberOrNull(row.val_accuracy as number),
      valLoss: numberOrNull(row.val_loss as number),
    }));
  }

  /** Of a cross-validation those of the first fold: each fold has features of its own model. */
  features(cell: StoredCell): StoredFeatures[] {
    const { id } = membersOf(cell)[0] as StoredCell;
    return this.all('SELECT * FROM feature WHERE cell_id = ?', id).map((row) => {
      const [width, recovered] = [Number(row.width), floats(row.recovered)];
      const count = recovered.length / width;
      return { modality: row.modality as Modality, width, count, recovered, original: floats(row.original) };
    });
  }

  /** Trainings that count, their wall time, and the versions that made them (revisions of 12 digits). */
  summary(): { readonly trainings: number; readonly hours: number; readonly versions: readonly string[] } {
    const counted = new Set(this.cells.flatMap(membersOf).map(({ trainingId }) => trainingId));
    const rows = this.all(
      "SELECT id, seconds, json_extract(versions, '$.git') AS git FROM training ORDER BY id",
    ).filter(({ id }) => counted.has(Number(id)));
    const versions = rows.map(({ git }) => textOrNull(git as string) ?? 'unknown');
    return {
      trainings: rows.length,
      hours: rows.reduce((sum, { seconds }) => sum + Number(seconds), 0) / 3600,
      versions: [...new Set(versions.map((git) => git.replace(/^([0-9a-f]{12})[0-9a-f]*/, '$1')))],
    };
  }

  close(): void {
    this.connection.close();
  }

  /** Rows of all members, their positions in the list of all their posts. */
  private ofMembers<Entry extends { readonly position: number }>(
    cell: StoredCell,
    read: (member: StoredCell) => Entry[],
  ): Entry[] {
    let before = 0;
    return membersOf(cell).flatMap((member) => {
      const entries = read(member).map((entry) => ({ ...entry, position: before + entry.position }));
      before += member.posts;
      return entries;
    });
  }

  private pooledPosts(cell: StoredCell): StoredPosts {
    const lists = membersOf(cell).map(({ postListId }) => this.posts(postListId));
    return {
      classes: lists[0]?.classes ?? [],
      ids: lists.flatMap(({ ids }) => ids),
      labels: Int32Array.from(lists.flatMap(({ labels }) => [...labels])),
    };
  }

  private scores(members: readonly StoredCell[]): Scores {
    const { classes } = this.posts((members[0] as StoredCell).postListId);
    const labels = members.flatMap(({ postListId }) => [...this.posts(postListId).labels]);
    const answers = members.flatMap((member) => [...this.predicted(member)]);
    const { accuracy, weightedF1 } = classificationReport(labels, answers, classes);
    return { accuracy, weightedF1 };
  }

  private all(sql: string, ...values: readonly number[]): Row[] {
    return this.connection.prepare(sql).all(...values);
  }

  private readCells(): StoredCell[] {
    const rows = this.all(`
      SELECT c.*, t.experiment, t.dataset, ${presentMethod('t')} AS method, t.without, t.disruption AS trained_on, t.seed, l.split
      FROM cell c JOIN training t ON t.id = c.training_id JOIN post_list l ON l.id = c.post_list_id
      ORDER BY t.finished_at, t.id, c.id`);
    const newest = new Map<string, StoredCell>();
    for (const row of rows) {
      const cell = cellOf(row);
      const { experiment, split, method, without, trainedOn, seed, name } = cell;
      newest.set(JSON.stringify([experiment, split, method, without, trainedOn, seed, name]), cell);
    }
    return [...newest.values()];
  }
}

function cellOf(row: Row): StoredCell {
  return {
    id: Number(row.id),
    trainingId: Number(row.training_id),
    experiment: text(row.experiment),
    dataset: text(row.dataset),
    split: text(row.split),
    method: text(row.method),
    without: textOrNull(row.without),
    trainedOn: text(row.trained_on),
    seed: Number(row.seed),
    name: text(row.name),
    kind: text(row.kind),
    modality: row.modality as Modality | null,
    setting: textOrNull(row.setting),
    ratio: numberOrNull(row.ratio),
    postListId: Number(row.post_list_id),
    manifestId: numberOrNull(row.manifest_id),
    posts: Number(row.posts),
    accuracy: Number(row.accuracy),
    weightedF1: Number(row.weighted_f1),
    imageAuroc: numberOrNull(row.image_auroc),
    textAuroc: numberOrNull(row.text_auroc),
  };
}
