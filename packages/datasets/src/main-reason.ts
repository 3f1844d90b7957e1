import { ConfigurationError, DataError, type ErrorReport } from '@drf/tensor';
import type { DropReason, LedgerReport } from './ledger.js';

/** What is said of many rows that are dropped for one reason, and what to do about all of them at once. */
interface Explanation {
  /** Goes after "39 rows". */
  readonly what: string;
  readonly remedy: string;
}

const CORRECT = 'correct these rows, or leave them out';

/** The label rule's own reasons are as they should be; `label left out` is what the user asked for. */
const EXPECTED: readonly DropReason[] = ['conflicting labels', 'no majority label', 'label left out'];

const EXPLANATIONS: Readonly<Record<DropReason, Explanation>> = {
  'conflicting labels': { what: 'have labels that contradict each other', remedy: 'check the file of labels' },
  'no majority label': { what: 'have no label that most annotators chose', remedy: 'check the file of labels' },
  'label left out': { what: 'have a label that is to be dropped', remedy: 'drop fewer of them (--dataset.labels.drop)' },
  'missing label': {
    what: 'have no label',
    remedy: 'say which column holds the labels (--columns label=NAME), or fill it in',
  },
  'missing image': {
    what: 'name an image that is not there',
    remedy: 'say which folder their paths start from (--dataset.root DIR) or which column holds them (--columns image=NAME)',
  },
  'missing text': { what: 'lack their text file', remedy: 'restore the files' },
  'missing image and text': {
    what: 'have neither text nor image',
    remedy: 'say which columns hold them (--columns text=NAME,image=NAME), or restore the files',
  },
  'empty image file': { what: 'have an image file of 0 bytes', remedy: 'restore the files' },
  'empty text file': { what: 'have a text file of 0 bytes', remedy: 'restore the files' },
  'empty text': { what: 'have an empty text', remedy: 'say which column holds the texts (--columns text=NAME)' },
  'undecodable image': { what: 'have an image that cannot be decoded', remedy: 'restore or convert the images' },
  'undecodable text': {
    what: 'are in another encoding',
    remedy: 'say which one it is (--dataset.encoding), or save the file as UTF-8',
  },
  'image too large': { what: 'have an image that is too large', remedy: 'shrink the images' },
  'text too large': { what: 'have a text that is too large', remedy: 'say which column holds the texts (--columns text=NAME)' },
  'unreadable file': { what: 'have a file that cannot be read', remedy: 'check the files and their permissions' },
  'path outside the root': {
    what: 'name an image outside the folder that may be read',
    remedy: 'name a folder above all images (--dataset.root DIR), and write paths relative to it',
  },
  'duplicate id': {
    what: 'have an id that an earlier row has',
    remedy: 'leave the column of ids out (--columns id=), and rows are numbered, or name another (--columns id=NAME)',
  },
  'no post': { what: 'are neither an image nor a text', remedy: 'convert these files, or move them away' },
  'bad row': { what: 'cannot be understood', remedy: CORRECT },
}; // prettier-ignore

/** Why most of the dropped rows are dropped. */
export interface MainReason {
  readonly reason: DropReason;
  /** Rows dropped for it. */
  readonly count: number;
  /** All rows. */
  readonly rows: number;
  /** What is the matter with them: "have an id that an earlier row has". */
  readonly what: string;
  /** What was wrong with the first of them. */
  readonly example: string | undefined;
  readonly remedy: string;
}

/** The reason for which most rows are dropped; of equal ones the first. `null` where none is dropped. */
export function mainReason({ rows, reasons }: Pick<LedgerReport, 'rows' | 'reasons'>): MainReason | null {
  const [most] = reasons.toSorted((a, b) => b.count - a.count);
  if (most === undefined) return null;
  const { reason, count } = most;
  const { remedy } = EXPLANATIONS[reason];
  return { reason, count, rows, what: whatIsWrong(reason, count), example: most.rows[0]?.detail, remedy };
}

/** What is the matter with rows that are dropped for a reason, as it goes after their number: "have no label". */
export function whatIsWrong(reason: DropReason, count: number): string {
  const { what } = Object.hasOwn(EXPLANATIONS, reason) ? EXPLANATIONS[reason] : { what: `are left out: ${reason}` }; // of another version
  return count === 1 ? what.replace(/^(have|name|lack|are|cannot)\b/, (verb) => SINGULAR[verb] ?? verb) : what;
}

const SINGULAR: Readonly<Record<string, string>> = { have: 'has', name: 'names', lack: 'lacks', are: 'is' };

/** From this share of the rows on, what one reason drops is worth a warning. */
const NOTABLE_SHARE = 0.1;

/** A warning of rows that one reason drops by the dozen, which hints at a cause that all of them share; else `null`. */
export function lossWarning(ledger: LedgerReport): string | null {
  const reasons = ledger.reasons.filter(({ reason }) => !EXPECTED.includes(reason));
  const main = mainReason({ rows: ledger.rows, reasons });
  if (main === null || main.count < 2 || main.count < NOTABLE_SHARE * ledger.rows) return null;
  return `${main.count} of ${main.rows} rows ${main.what} and are not used: ${main.remedy}`;
}

/** Thrown when too few rows can be used; brings the ledger, which names each of the others. */
export class UnusableDataError extends DataError {
  static override readonly code = 'unusable-data';

  readonly ledger: LedgerReport;

  constructor(report: ErrorReport, ledger: LedgerReport, options?: ErrorOptions) {
    super(report, options);
    this.ledger = ledger;
  }

  /** @param expected what there are too few rows for ("at least one usable row") */
  static of(expected: string, ledger: LedgerReport, options?: ErrorOptions): UnusableDataError {
    const { source, rows, kept } = ledger;
    const subject = `Opening ${source}`;
    const received = `${kept === 0 ? 'none' : kept} of ${rows}`;
    const main = mainReason(ledger);
    if (main === null) return new UnusableDataError({ subject, expected, received, remedy: 'bring more posts' }, ledger, options); // prettier-ignore
    const others = ledger.reasons.filter(({ reason }) => reason !== main.reason);
    const beside = others.map(({ reason, count }) => `, ${count} × ${reason}`).join('');
    const example = main.example === undefined ? '' : `; the first: ${main.example}`;
    const why = `${main.count} ${main.what}${beside}${example}`;
    return new UnusableDataError({ subject, expected, received: `${received} (${why})`, remedy: main.remedy }, ledger, options); // prettier-ignore
  }
}

/**
 * The cause behind an error about too few posts: where at least half of the rows are dropped, that they are, and why.
 * @returns the error itself where most rows are kept, or where it tells the cause already
 */
export function explainLoss(error: unknown, ledger: LedgerReport): unknown {
  const isOfData = error instanceof DataError || error instanceof ConfigurationError;
  if (!isOfData || error instanceof UnusableDataError || ledger.dropped === 0) return error;
  if (2 * ledger.dropped < ledger.rows) return error;
  const { subject, expected } = error.report;
  return UnusableDataError.of(`enough usable rows (${subject}: ${expected})`, ledger, { cause: error });
}
