import { CheckpointError, ConfigurationError, hostTensor, type HostTensor } from '@drf/tensor';
import type { RowStore } from './row-store.js';

/** The features of a list of items, read by row; they need not fit into memory. */
export interface FeatureStore {
  /** Items, in the order in which they came. */
  readonly count: number;
  readonly outputDim: number;
  /** 1 for an item that has a feature, 0 for one that failed. */
  readonly available: Uint8Array;
  /**
   * Rows by item, float32 [indices, outputDim]; zeros where an item has no feature.
   * @throws ConfigurationError for an index out of range; CheckpointError when a stored row was damaged since
   */
  rows(indices: readonly number[]): Promise<HostTensor>;
  /** All rows, float32 [count, outputDim]. */
  all(): Promise<HostTensor>;
}

/** A view of a row store by item. */
export class StoredFeatures implements FeatureStore {
  readonly available: Uint8Array;

  constructor(
    private readonly store: RowStore,
    private readonly keys: readonly string[],
    readonly outputDim: number,
  ) {
    this.available = Uint8Array.from(keys, (key) => Number(store.has(key)));
  }

  get count(): number {
    return this.keys.length;
  }

  async rows(indices: readonly number[]): Promise<HostTensor> {
    indices.forEach((index) => this.assertIndex(index));
    const present = indices.flatMap((index, i) => (this.available[index] === 1 ? [{ index, i }] : []));
    const rows = await this.store.get(present.map(({ index }) => this.keys[index] as string));
    const data = new Float32Array(indices.length * this.outputDim);
    present.forEach(({ index, i }, k) => data.set(rows[k] ?? this.lost(index), i * this.outputDim));
    return hostTensor(data, [indices.length, this.outputDim]);
  }

  all(): Promise<HostTensor> {
    return this.rows([...this.keys.keys()]);
  }

  private assertIndex(index: number): void {
    if (Number.isInteger(index) && index >= 0 && index < this.count) return;
    throw new ConfigurationError({
      subject: 'FeatureStore.rows',
      expected: `whole indices from 0 to ${this.count - 1}`,
      received: String(index),
    });
  }

  private lost(index: number): never {
    throw new CheckpointError({
      subject: `Feature of item ${index}`,
      expected: 'the row that was stored',
      received: 'a damaged one',
      remedy: 'run again; it will be computed anew',
    });
  }
}
