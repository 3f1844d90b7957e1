import { dirname, join, relative } from 'node:path';
import { parseStrategy } from '@drf/disruption';
import { parseCell, type Cell } from '../cells.js';
import { inTransaction, openStore, type Connection, type Row, type Statement, type Value } from './connection.js';
import { storeFile } from './result-store.js';

/** What a merge did. */
export interface MergeOutcome {
  /** Taken in. */
  readonly trainings: number;
  readonly cells: number;
  /** Cells that the store had already, by address. */
  readonly known: number;
  /** Cells that more than one training stands for: of another version of the code, or with other options. */
  readonly again: readonly RepeatedCell[];
}

/** A cell that was computed twice. */
export interface RepeatedCell extends Cell {
  readonly method: string;
  readonly without: string | null;
  /** Posts whose probabilities differ in six digits. */
  readonly differing: number;
}

/**
 * Copies stores into one. Runs stay where they are: a training's folder then leads there from the new store.
 * @param path file of the store to fill, made where there is none
 * @param sources folders of grids, or their stores
 * @throws DataError when a source is no store; ConfigurationError when one is of a later version
 */
export function mergeStores(path: string, sources: readonly string[]): MergeOutcome {
  const opened: Connection[] = [];
  const open = (file: string, mode: 'read' | 'write'): Connection => {
    const connection = openStore(file, mode);
    opened.push(connection);
    return connection;
  };
  try {
    const files = sources.map(storeFile).map((file) => ({ file, source: open(file, 'read') }));
    const target = open(path, 'write');
    const count = { trainings: 0, cells: 0, known: 0 };
    for (const { file, source } of files) {
      const copy = new Copy(source, target, relative(dirname(path), dirname(file)));
      for (const row of source.prepare('SELECT * FROM training ORDER BY id').all()) {
        const taken = inTransaction(target, () => copy.training(row));
        count.trainings += taken.cells > 0 ? 1 : 0;
        count.cells += taken.cells;
        count.known += taken.known;
      }
    }
    return { ...count, again: repeatedCells(target) };
  } finally {
    opened.forEach((connection) => connection.close());
  }
}

/** Rows of one store on their way into another, under the ids that they get there. */
class Copy {
  /** @param way from the new store's folder to the old one's */
  constructor(
    private readonly source: Connection,
    private readonly target: Connection,
    private readonly way: string,
  ) {}

  training(row: Row): { readonly cells: number; readonly known: number } {
    const cells = this.source.prepare('SELECT * FROM cell WHERE training_id = ? ORDER BY id').all(valueOf(row.id));
    const missing = cells.filter(({ address }) => this.find('cell', { address }) === undefined);
    if (missing.length > 0) {
      const known = this.find('training', { address: row.address });
      const id = known ?? this.insert('training', { ...row, folder: join(this.way, String(row.folder)) });
      if (known === undefined) this.children('epoch', 'training_id', row.id, id);
      for (const cell of missing) this.cell(cell, id);
    }
    return { cells: missing.length, known: cells.length - missing.length };
  }

  private cell(row: Row, trainingId: number): void {
    const list = this.parent('post_list', row.post_list_id, ['hash'], {}, 'post');
    const moved = { training_id: trainingId, post_list_id: list };
    const keys = ['post_list_id', 'strategy', 'seed', 'mask'];
    const manifest =
      row.manifest_id === null
        ? null
        : this.parent('manifest', row.manifest_id, keys, { post_list_id: list }, 'disruption');
    const id = this.insert('cell', { ...row, ...moved, manifest_id: manifest });
    this.children('prediction', 'cell_id', row.id, id);
    this.children('feature', 'cell_id', row.id, id);
  }

  /** The new id of what a cell refers to, copied with its rows where it is not there yet. */
  private parent(table: string, id: Row[string], keys: readonly string[], moved: Row, rows: string): number {
    const [own] = this.source.prepare(`SELECT * FROM ${table} WHERE id = ?`).all(valueOf(id));
    const row = { ...own, ...moved };
    const known = this.find(table, Object.fromEntries(keys.map((key) => [key, row[key]])));
    if (known !== undefined) return known;
    const made = this.insert(table, row);
    this.children(rows, `${table}_id`, id, made);
    return made;
  }

  private find(table: string, keys: Row): number | undefined {
    const where = Object.keys(keys).map((key) => `${key} = ?`).join(' AND '); // prettier-ignore
    const found = this.target
      .prepare(`SELECT id FROM ${table} WHERE ${where}`)
      .get(...Object.values(keys).map(valueOf));
    return found === undefined ? undefined : Number(found.id);
  }

  /** @returns its new id; an old one is left behind */
  private insert(table: string, row: Row): number {
    const names = Object.keys(row).filter((name) => name !== 'id');
    const statement = this.insertion(table, names);
    return Number(statement.run(...names.map((name) => valueOf(row[name]))).lastInsertRowid);
  }

  private insertion(table: string, names: readonly string[]): Statement {
    const places = names.map(() => '?').join(', ');
    return this.target.prepare(`INSERT INTO ${table} (${names.join(', ')}) VALUES (${places})`);
  }

  /** Rows that belong to one of another table. */
  private children(table: string, column: string, from: Row[string], to: number): void {
    const rows = this.source.prepare(`SELECT * FROM ${table} WHERE ${column} = ?`).all(valueOf(from));
    const [first] = rows;
    if (first === undefined) return;
    const statement = this.insertion(table, Object.keys(first));
    for (const row of rows) statement.run(...Object.values({ ...row, [column]: to }).map(valueOf));
  }
}

function valueOf(value: Row[string] | undefined): Value {
  return value instanceof ArrayBuffer ? Buffer.from(value) : (value ?? null);
}

function repeatedCells(target: Connection): RepeatedCell[] {
  const rows = target
    .prepare(
      `SELECT t.method, t.without, t.disruption, t.fold, t.folds, t.seed, a.name,
        (SELECT count(*) FROM prediction p JOIN prediction q ON q.cell_id = b.id AND q.position = p.position
          WHERE p.cell_id = a.id AND p.probabilities <> q.probabilities) AS differing
      FROM cell a JOIN training t ON t.id = a.training_id
      JOIN cell b ON b.name = a.name AND b.post_list_id = a.post_list_id AND b.id > a.id
      JOIN training u ON u.id = b.training_id AND u.experiment = t.experiment AND u.method = t.method
        AND u.without IS t.without AND u.disruption = t.disruption AND u.fold IS t.fold AND u.folds IS t.folds
        AND u.seed = t.seed
      ORDER BY a.id, b.id`,
    )
    .all();
  return rows.map((row) => ({
    method: String(row.method),
    without: row.without === null || row.without === undefined ? null : String(row.without),
    trainedOn: parseStrategy(String(row.disruption)),
    testedOn: parseCell(String(row.name)).testedOn,
    fold: typeof row.fold === 'number' ? { fold: row.fold, folds: Number(row.folds) } : null,
    seed: Number(row.seed),
    differing: Number(row.differing),
  }));
}
