/** What every error of this project says: who complains, what was due, what came, and what to do about it. */
export interface ErrorReport {
  /** Who complains: a function, a file, a row ("FeatureQueue.enqueue", "posts.csv, line 7"). */
  readonly subject: string;
  readonly expected: string;
  readonly received: string;
  /** What the reader can do about it. */
  readonly remedy?: string;
}

/** Base of every error that this project throws on purpose. The message holds the whole report. */
export class DrfError extends Error {
  readonly report: ErrorReport;

  constructor(report: ErrorReport, options?: ErrorOptions) {
    const remedy = report.remedy === undefined ? '' : `; ${report.remedy}`;
    super(`${report.subject} expected ${report.expected}, received ${report.received}${remedy}`, options);
    this.name = new.target.name;
    this.report = report;
  }
}

/** A tensor or array whose shape is not the one that was due. */
export class ShapeMismatchError extends DrfError {}

/** A configuration or option that is unknown, of the wrong type, or out of range. */
export class ConfigurationError extends DrfError {}

/** Input data (a row, a label, an image, a text, a file) that cannot be used as it is. */
export class DataError extends DrfError {}

/** NaN or infinity where a finite number was due. */
export class NonFiniteError extends DrfError {}

/** A checkpoint or other file of ours that is truncated, foreign, or of another version. */
export class CheckpointError extends DrfError {}

/** Something that this machine lacks: a native library, a network, a device, a cached model. */
export class UnavailableError extends DrfError {}

/**
 * Builds the errors of one subject, so that a check reads as one line.
 *
 * ```ts
 * const refuse = refuser(DataError, 'posts.csv, line 7');
 * if (label === '') throw refuse('a label', 'an empty cell', 'fill it in, or leave the row out');
 * ```
 */
export function refuser<Kind extends DrfError>(
  Kind: new (report: ErrorReport, options?: ErrorOptions) => Kind,
  subject: string,
): (expected: string, received: string, remedy?: string, cause?: unknown) => Kind {
  return (expected, received, remedy, cause) =>
    new Kind({ subject, expected, received, remedy }, cause === undefined ? undefined : { cause });
}
