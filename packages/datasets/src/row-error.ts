import { DataError, type ErrorReport } from '@drf/tensor';

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
  readonly reason: DropReason;
  /** 1-based line (text files) or row (Parquet) of the file that lists the posts. */
  readonly line: number | undefined;

  constructor(reason: DropReason, report: ErrorReport, options: ErrorOptions & { readonly line?: number } = {}) {
    super(report, options);
    this.reason = reason;
    this.line = options.line;
  }
}

/** What a caught error says, short enough for a table. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
