import { NonFiniteError, ShapeMismatchError } from '@drf/tensor';

/** Features by key, wherever they are kept. */
export interface RowStore {
  /** Whether there is a row for the key. */
  has(key: string): boolean;
  /** A copy of each key's row, or `undefined` where there is none. */
  get(keys: readonly string[]): Promise<(Float32Array | undefined)[]>;
  /**
   * Keeps a row; what holds it on disk does so at the next {@link RowStore.flush}.
   * @throws ShapeMismatchError or NonFiniteError naming `subject`
   */
  put(key: string, row: Float32Array, subject?: string): void;
  /** Puts on disk what waits for it, where rows are kept there. */
  flush(): Promise<void>;
}

/** @throws ShapeMismatchError for another length, NonFiniteError for NaN or infinity, both naming the subject. */
export function assertRow(subject: string, row: Float32Array, outputDim: number): void {
  if (row.length !== outputDim) {
    throw new ShapeMismatchError({ subject, expected: `[${outputDim}]`, received: `[${row.length}]` });
  }
  const place = row.findIndex((value) => !Number.isFinite(value));
  if (place === -1) return;
  throw new NonFiniteError({
    subject,
    expected: 'finite numbers',
    received: `${row[place]} at index ${place}`,
    remedy: 'look at that item and at the encoder; it was not stored',
  });
}

/** Rows in memory, for runs without a cache on disk. */
export class MemoryRows implements RowStore {
  private readonly rows = new Map<string, Float32Array>();

  constructor(private readonly outputDim: number) {}

  has(key: string): boolean {
    return this.rows.has(key);
  }

  async get(keys: readonly string[]): Promise<(Float32Array | undefined)[]> {
    return keys.map((key) => this.rows.get(key)?.slice());
  }

  put(key: string, row: Float32Array, subject = `feature "${key}"`): void {
    assertRow(subject, row, this.outputDim);
    this.rows.set(key, row.slice());
  }

  async flush(): Promise<void> {}
}
