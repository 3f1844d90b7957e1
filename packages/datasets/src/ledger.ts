import { ImageError } from '@drf/preprocessing';
import { DataError, type ErrorReport } from '@drf/tensor';

/** A row that is not used: which, why, and where it stood. */
export interface DroppedRow {
  /** The post's id, or `line 7` where the row has none that can be read. */
  readonly id: string;
  readonly reason: DropReason;
  /** 1-based line of the file that lists the posts. */
  readonly line?: number | undefined;
  /** The error's message: expected, received, remedy. */
  readonly detail?: string;
}

/** Something that a reader should know about rows that were kept ("empty text, taken as missing"). */
export interface LedgerNote {
  readonly message: string;
  readonly ids: readonly string[];
  /** Whether it may spoil what is done with the posts. */
  readonly isWarning?: true;
}

/** The ledger as it is printed and saved with a run. */
export interface LedgerReport {
  readonly source: string;
  readonly rows: number;
  readonly kept: number;
  readonly dropped: number;
  /** How many of the dropped rows were found bad only when they were decoded; left out where none was. */
  readonly undecoded?: number;
  readonly reasons: readonly {
    readonly reason: DropReason;
    readonly count: number;
    readonly ids: readonly string[];
    readonly rows: readonly DroppedRow[];
  }[];
  readonly notes: readonly LedgerNote[];
}

/**
 * Account of a data set's rows: each is either kept or dropped for a reason, so that rows = kept + dropped holds at any
 * time. A row found unreadable only when it is decoded moves from kept to dropped ({@link Ledger.reject}).
 */
export class Ledger {
  private readonly droppedRows: DroppedRow[] = [];
  private readonly rejectedIds = new Set<string>();
  private readonly noteIds = new Map<string, string[]>();
  private readonly warnings = new Set<string>();
  private keptCount = 0;

  /** @param source what the rows were read from: a folder, a file, a generator */
  constructor(readonly source: string) {}

  get rows(): number {
    return this.keptCount + this.droppedRows.length;
  }

  get kept(): number {
    return this.keptCount;
  }

  get dropped(): readonly DroppedRow[] {
    return this.droppedRows;
  }

  /** Counts rows that are used. */
  keep(count = 1): void {
    this.keptCount += count;
  }

  /** Lists a row that is not used. */
  drop(row: DroppedRow): void {
    this.droppedRows.push(row);
  }

  /** Whether a row that was kept at first turned out unreadable. */
  isRejected(id: string): boolean {
    return this.rejectedIds.has(id);
  }

  /** Moves a kept row to the dropped ones, once however often it is found bad. */
  reject(row: DroppedRow): void {
    if (this.rejectedIds.has(row.id)) return;
    this.rejectedIds.add(row.id);
    this.keptCount--;
    this.droppedRows.push(row);
  }

  /** Records something about a row that is kept, or about the whole source (no id). */
  note(message: string, id?: string): void {
    const ids = this.noteIds.get(message) ?? [];
    if (id !== undefined) ids.push(id);
    this.noteIds.set(message, ids);
  }

  /** Records what may spoil the use of the rows that are kept. */
  warn(message: string): void {
    this.note(message);
    this.warnings.add(message);
  }

  /** How many rows were dropped for a reason. */
  count(reason: DropReason): number {
    return this.droppedRows.reduce((sum, row) => sum + (row.reason === reason ? 1 : 0), 0);
  }

  /** Counts and dropped rows as plain data: what apps print and save. */
  toJSON(): LedgerReport {
    const reasons = DROP_REASONS.flatMap((reason) => {
      const rows = this.droppedRows.filter((row) => row.reason === reason);
      return rows.length === 0 ? [] : [{ reason, count: rows.length, ids: rows.map((row) => row.id), rows }];
    });
    const notes = [...this.noteIds].map(([message, ids]): LedgerNote => ({
      message,
      ids,
      ...(this.warnings.has(message) ? { isWarning: true } : {}),
    }));
    const { source, rows, kept } = this;
    const undecoded = this.rejectedIds.size === 0 ? {} : { undecoded: this.rejectedIds.size };
    return { source, rows, kept, dropped: this.droppedRows.length, ...undecoded, reasons, notes };
  }
}

/** Why a row is not used. Each is a heading of the ledger. */
export const DROP_REASONS = [
  'conflicting labels',
  'no majority label',
  'label left out',
  'missing label',
  'missing image',
  'missing text',
  'missing image and text',
  'empty image file',
  'empty text file',
  'empty text',
  'undecodable image',
  'undecodable text',
  'image too large',
  'text too large',
  'unreadable file',
  'path outside the root',
  'duplicate id',
  'bad row',
  'no post',
] as const;
/** One of {@link DROP_REASONS}. */
export type DropReason = (typeof DROP_REASONS)[number];

/** A row that cannot be used, with the heading under which the ledger lists it. */
export class RowError extends DataError {
  static override readonly code = 'unusable-row';

  readonly reason: DropReason;
  /** 1-based line (text files) or row (Parquet) of the file that lists the posts. */
  readonly line: number | undefined;

  constructor(reason: DropReason, report: ErrorReport, options: ErrorOptions & { readonly line?: number } = {}) {
    super(report, options);
    this.reason = reason;
    this.line = options.line;
  }
}

/** Throws what was caught: a row that cannot be used, where it is an image that cannot. */
export function asUnusableRow(error: unknown): never {
  if (!(error instanceof ImageError)) throw error;
  throw new RowError(error.reason, error.report, { cause: error });
}

/** What a caught error says, short enough for a table. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
