import { SPLIT_NAMES, type SplitName } from '@drf/datasets';
import { isRejected, type JudgedRow } from './prediction-row.js';

/** What a job gave. */
export interface JobCounts {
  readonly judged: number;
  readonly rejected: number;
  /** Judged posts by class. */
  readonly labels: Readonly<Record<string, number>>;
  readonly unfamiliar: number;
  /** Judged posts that the run knows, by its split. */
  readonly seen: Readonly<Record<SplitName, number>>;
}

/** Counts a job's rows. */
export class Counter {
  private readonly labels: Record<string, number>;
  private readonly seen = { train: 0, val: 0, test: 0 };
  private readonly rows = { judged: 0, rejected: 0, unfamiliar: 0 };

  constructor(classes: readonly string[]) {
    this.labels = Object.fromEntries(classes.map((name) => [name, 0]));
  }

  get counts(): JobCounts {
    return { ...this.rows, labels: this.labels, seen: this.seen };
  }

  add(row: JudgedRow): void {
    if (isRejected(row)) {
      this.rows.rejected++;
      return;
    }
    this.rows.judged++;
    this.rows.unfamiliar += row.unfamiliar === true ? 1 : 0;
    if (row.seen !== null) this.seen[row.seen]++;
    this.labels[row.label] = (this.labels[row.label] ?? 0) + 1;
  }
}

/** What several parts of a job gave, together. */
export function sumOfCounts(classes: readonly string[], parts: Iterable<JobCounts>): JobCounts {
  const labels: Record<string, number> = Object.fromEntries(classes.map((name) => [name, 0]));
  const seen = { train: 0, val: 0, test: 0 };
  const rows = { judged: 0, rejected: 0, unfamiliar: 0 };
  for (const part of parts) {
    for (const name of ['judged', 'rejected', 'unfamiliar'] as const) rows[name] += part[name];
    for (const name of SPLIT_NAMES) seen[name] += part.seen[name];
    for (const [name, count] of Object.entries(part.labels)) labels[name] = (labels[name] ?? 0) + count;
  }
  return { ...rows, labels, seen };
}
