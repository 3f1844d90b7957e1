import { contentHash } from '@drf/files';
import { argMax } from '@drf/metrics';
import { MODALITIES } from '@drf/tensor';
import { inTransaction, openForWriting, type Connection, type Statement } from './database.js';
import type { CellRecord, PostList, StoredUnit, TrainingRecord } from './rows.js';

/** A store that takes in trainings with their cells, each whole or not at all. */
export class StoreWriter {
  private readonly connection: Connection;
  private readonly statements = new Map<string, Statement>();

  /** @throws as {@link openForWriting} */
  constructor(path: string) {
    this.connection = openForWriting(path);
  }

  /** Addresses of the cells at hand; or their identities, whatever the code that computed them. */
  knownCells(by: 'address' | 'identity'): Set<string> {
    const rows = this.prepare(`SELECT ${by} AS known FROM cell`).all();
    return new Set(rows.map(({ known }) => String(known)));
  }

  /** Mean wall time of the trainings so far by experiment and method, in seconds. */
  secondsByMethod(): Map<string, number> {
    const rows = this.prepare(
      'SELECT experiment, method, avg(seconds) AS seconds FROM training GROUP BY experiment, method',
    ).all();
    return new Map(rows.map(({ experiment, method, seconds }) => [`${experiment} ${method}`, Number(seconds)]));
  }

  /** Takes in a training and its cells; what is there already stays. */
  add({ training, posts, cells }: StoredUnit): void {
    inTransaction(this.connection, () => {
      const trainingId = this.training(training);
      const postListId = this.posts(posts);
      for (const cell of cells) this.cell(cell, trainingId, postListId, posts);
    });
  }

  close(): void {
    this.connection.close();
  }

  private prepare(sql: string): Statement {
    const known = this.statements.get(sql);
    if (known !== undefined) return known;
    const made = this.connection.prepare(sql);
    this.statements.set(sql, made);
    return made;
  }

  private idOf(sql: string, ...values: readonly (string | number)[]): number | undefined {
    const row = this.prepare(sql).get(...values);
    return row === undefined ? undefined : Number(row.id);
  }

  private insert(table: string, row: Readonly<Record<string, string | number | null | Buffer>>): number {
    const names = Object.keys(row);
    const sql = `INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`;
    return Number(this.prepare(sql).run(...Object.values(row)).lastInsertRowid);
  }

  private training(record: TrainingRecord): number {
    const known = this.idOf('SELECT id FROM training WHERE address = ?', record.address);
    if (known !== undefined) return known;
    const { encoders, best, epochs, config, versions, ...plain } = record;
    const id = this.insert('training', {
      ...plain,
      config: JSON.stringify(config),
      versions: JSON.stringify(versions),
      image_encoder: encoders.image,
      text_encoder: encoders.text,
      best_epoch: best?.epoch ?? null,
      best_step: best?.step ?? null,
      best_score: best?.score ?? null,
      finished_at: this.nextDate(),
    });
    for (const { epoch, step, trainLoss, trainParts, valAccuracy, valWeightedF1, valLoss } of epochs) {
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

  private posts({ hash, dataset, split, classes, ids, labels }: PostList): number {
    const known = this.idOf('SELECT id FROM post_list WHERE hash = ?', hash);
    if (known !== undefined) return known;
    const id = this.insert('post_list', { hash, dataset, split, classes: JSON.stringify(classes) });
    ids.forEach((post, position) => {
      this.insert('post', { post_list_id: id, position, post, truth: labels[position] as number });
    });
    return id;
  }

  private manifest(manifest: NonNullable<CellRecord['manifest']>, postListId: number, posts: PostList): number {
    const { strategy, seed, mask, entries } = manifest;
    const sql = 'SELECT id FROM manifest WHERE post_list_id = ? AND strategy = ? AND seed = ? AND mask = ?';
    const known = this.idOf(sql, postListId, strategy, seed, mask);
    if (known !== undefined) return known;
    const hash = contentHash(JSON.stringify(entries));
    const id = this.insert('manifest', { post_list_id: postListId, strategy, seed, mask, hash });
    const places = new Map(posts.ids.map((post, position) => [post, position]));
    for (const { id: post, modality, operation, fraction, seed: own } of entries) {
      const position = places.get(post);
      if (position === undefined) continue;
      const random_seed = own === null ? null : JSON.stringify(own);
      this.insert('disruption', { manifest_id: id, position, modality, operation, fraction, random_seed });
    }
    return id;
  }

  private cell(record: CellRecord, trainingId: number, postListId: number, posts: PostList): void {
    if (this.idOf('SELECT id FROM cell WHERE address = ?', record.address) !== undefined) return;
    const { cell: name, kind, modality, setting, ratio, report, quality } = record.result;
    const id = this.insert('cell', {
      address: record.address,
      identity: record.identity,
      training_id: trainingId,
      name,
      kind,
      modality,
      setting,
      ratio,
      post_list_id: postListId,
      manifest_id: record.manifest === null ? null : this.manifest(record.manifest, postListId, posts),
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
    this.predictions(record, id, posts.classes.length);
    for (const { modality: own, positions, width, recovered, original } of record.features) {
      const bytes = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer =>
        Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
      this.insert('feature', {
        cell_id: id,
        modality: own,
        positions: bytes(positions),
        width,
        recovered: bytes(recovered),
        original: bytes(original),
      });
    }
  }

  private predictions({ probabilities, available, details }: CellRecord, cell: number, classes: number): void {
    const { densities, weights } = details;
    const at = (values: Float32Array | null | undefined, position: number): number | null => {
      const value = values?.[position];
      return value === undefined || !Number.isFinite(value) ? null : value;
    };
    for (let position = 0; position * classes < probabilities.length; position++) {
      const row = probabilities.subarray(position * classes, (position + 1) * classes);
      const [image, text] = MODALITIES.map((modality) => available[modality][position] as number) as [number, number];
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
}
