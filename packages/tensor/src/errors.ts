/** What every error of this project says: who complains, what was due, what came, and what to do about it. */
export interface ErrorReport {
  /** Who complains: a function, a file, a row ("FeatureQueue.enqueue", "posts.csv, line 7"). */
  readonly subject: string;
  readonly expected: string;
  readonly received: string;
  /** What the reader can do about it. */
  readonly remedy?: string;
  /** For programs, where the error's class says too little: "too-large". Default: the code of the class. */
  readonly code?: string;
}

/** Carries the codes of an error's classes. Registered globally, so that every copy of this package finds it. */
const CODES = Symbol.for('@drf/tensor/error-codes');

/** The codes that an error class and the classes above it give themselves. */
function codesOf(errorClass: unknown): string[] {
  const codes: string[] = [];
  for (let each = errorClass; typeof each === 'function'; each = Object.getPrototypeOf(each)) {
    if (Object.hasOwn(each, 'code')) codes.push((each as typeof DrfError).code);
  }
  return codes;
}

/**
 * Base of every error that this project throws on purpose. The message holds the whole report, for people; programs read
 * `code`. `instanceof` also recognizes an error that another copy of this package threw.
 */
export class DrfError extends Error {
  /** Tells the class in every copy of the package, and in minified code. */
  static readonly code: string = 'error';

  readonly report: ErrorReport;
  /** What kind of error this is: the report's code, or that of the class ("configuration", "data", …). */
  readonly code: string;

  constructor(report: ErrorReport, options?: ErrorOptions) {
    const remedy = report.remedy === undefined ? '' : `; ${report.remedy}`;
    super(`${report.subject} expected ${report.expected}, received ${report.received}${remedy}`, options);
    this.name = new.target.name;
    this.report = report;
    this.code = report.code ?? new.target.code;
    Object.defineProperty(this, CODES, { value: codesOf(new.target) });
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    if (Function.prototype[Symbol.hasInstance].call(this, value)) return true;
    if (!Object.hasOwn(this, 'code') || !(value instanceof Error)) return false;
    const codes: unknown = Reflect.get(value, CODES);
    return Array.isArray(codes) && codes.includes(this.code);
  }
}

/**
 * Whether an error is one of ours, thrown by whichever copy of this package; with a code, whether it is of that kind, also
 * by a class above its own: an "unusable-row" is "data", too.
 *
 * ```ts
 * if (isDrfError(error, 'data')) console.error(error.report.remedy);
 * ```
 */
export function isDrfError(error: unknown, code?: string): error is DrfError {
  if (!(error instanceof DrfError)) return false;
  if (code === undefined || error.code === code) return true;
  const codes: unknown = Reflect.get(error, CODES);
  return Array.isArray(codes) && codes.includes(code);
}

/** A tensor or array whose shape is not the one that was due. */
export class ShapeMismatchError extends DrfError {
  static override readonly code: string = 'shape-mismatch';
}

/** A configuration or option that is unknown, of the wrong type, or out of range. */
export class ConfigurationError extends DrfError {
  static override readonly code: string = 'configuration';
}

/** Input data (a row, a label, an image, a text, a file) that cannot be used as it is. */
export class DataError extends DrfError {
  static override readonly code: string = 'data';
}

/** NaN or infinity where a finite number was due. */
export class NonFiniteError extends DrfError {
  static override readonly code: string = 'not-finite';
}

/** A checkpoint or other file of ours that is truncated, foreign, or of another version. */
export class CheckpointError extends DrfError {
  static override readonly code: string = 'checkpoint';
}

/** Something that this machine lacks: a native library, a network, a device, a cached model. */
export class UnavailableError extends DrfError {
  static override readonly code: string = 'unavailable';
}

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
