import {
  assertFinite,
  assertShape,
  ConfigurationError,
  floatData,
  hostTensor,
  type HostTensor,
  type NamedHost,
} from '@drf/tensor';

/** Everything that a queue needs to go on elsewhere; `rows` are oldest first and hold only what is filled. */
export interface FeatureQueueState {
  readonly capacity: number;
  readonly dim: number;
  /** Rows ever enqueued; the queue has been filled once when this reaches `capacity`. */
  readonly enqueued: number;
  readonly rows: Float32Array;
}

/**
 * First-in-first-out memory of recent features of one modality: the paper's Q (`capacity` is its L; Section 3.2,
 * Eq. 13). Rows carry no gradient. Reading it and enqueueing are two calls, in that order in a step, so that a batch
 * never meets itself.
 *
 * The rows live in a ring; {@link rows} lays them out oldest first, padded with zeros to [capacity, dim], and
 * {@link rowWeights} gives each filled row 1 / size and the others 0, so that weighted sums are means over the filled
 * rows whatever the filling.
 */
export class FeatureQueue {
  readonly capacity: number;
  readonly dim: number;
  private readonly ring: Float32Array;
  private enqueuedRows = 0;

  /** @throws ConfigurationError unless both sizes are positive whole numbers. */
  constructor(options: { readonly capacity: number; readonly dim: number }) {
    for (const [name, value] of Object.entries(options)) {
      if (!Number.isInteger(value) || value < 1) {
        throw new ConfigurationError({
          subject: `FeatureQueue ${name}`,
          expected: 'a positive whole number',
          received: String(value),
        });
      }
    }
    this.capacity = options.capacity;
    this.dim = options.dim;
    this.ring = new Float32Array(options.capacity * options.dim);
  }

  /** Filled rows, 0 … capacity. */
  get size(): number {
    return Math.min(this.enqueuedRows, this.capacity);
  }

  /** Whether `capacity` rows have entered since the start. */
  get filledOnce(): boolean {
    return this.enqueuedRows >= this.capacity;
  }

  /** Whether mean and standard deviation mean anything: two rows at least. */
  get ready(): boolean {
    return this.size >= 2;
  }

  /**
   * A copy of the rows, oldest first, zeros after the filled ones. Shape [capacity, dim].
   * @param into where the copy goes instead of a new array, for callers that read the queue at every step
   */
  rows(into: Float32Array = new Float32Array(this.capacity * this.dim)): NamedHost<['capacity', 'dim']> {
    return hostTensor(this.ordered(into), [this.capacity, this.dim]);
  }

  /** 1 / size for each filled row, 0 for the others. Shape [capacity]. */
  rowWeights(): NamedHost<['capacity']> {
    const weights = new Float32Array(this.capacity);
    if (this.size > 0) weights.fill(1 / this.size, 0, this.size);
    return hostTensor(weights, [this.capacity]);
  }

  /**
   * Adds the admitted rows in order; the oldest leave when the queue is full.
   * @param features [batch, dim]
   * @param admitted a mask of the rows, such as {@link admittedRows} gives it: 1 enters, 0 does not, [batch]; all rows
   *   enter when it is left out
   * @returns how many rows entered
   * @throws ShapeMismatchError when the features are not [batch, dim], or mask and rows differ in number
   * @throws NonFiniteError when an admitted row holds NaN or infinity; then nothing entered
   */
  enqueue(features: HostTensor, admitted?: NamedHost<['batch']>): number {
    assertShape('FeatureQueue.enqueue', features, ['*', this.dim], "check the encoder's outputDim");
    const count = features.shape[0] as number;
    if (admitted !== undefined) assertShape('FeatureQueue.enqueue admitted', admitted, [count]);
    const data = floatData(features);
    const chosen: Float32Array[] = [];
    for (let row = 0; row < count; row++) {
      if (admitted !== undefined && admitted.data[row] !== 1) continue;
      const values = data.subarray(row * this.dim, (row + 1) * this.dim);
      assertFinite(
        `FeatureQueue.enqueue row ${row}`,
        values,
        'look for NaN in the features or too large a learning rate',
      );
      chosen.push(values);
    }
    for (const values of chosen) {
      this.ring.set(values, (this.enqueuedRows % this.capacity) * this.dim);
      this.enqueuedRows++;
    }
    return chosen.length;
  }

  /** A copy of rows and position, for checkpoints: the inverse of {@link FeatureQueue.restore}. */
  state(): FeatureQueueState {
    return {
      capacity: this.capacity,
      dim: this.dim,
      enqueued: this.enqueuedRows,
      rows: this.ordered(new Float32Array(this.size * this.dim)),
    };
  }

  /** A queue that goes on where {@link state} was taken. @throws ShapeMismatchError when the rows do not fit. */
  static restore(state: FeatureQueueState): FeatureQueue {
    const queue = new FeatureQueue({ capacity: state.capacity, dim: state.dim });
    const size = Math.min(state.enqueued, state.capacity);
    assertShape(
      'FeatureQueue.restore',
      { shape: [state.rows.length] },
      [size * state.dim],
      'the saved state is not whole',
    );
    queue.enqueuedRows = state.enqueued - size;
    if (size > 0) queue.enqueue(hostTensor(state.rows, [size, state.dim]));
    return queue;
  }

  private ordered(result: Float32Array): Float32Array {
    const first = this.filledOnce ? this.enqueuedRows % this.capacity : 0;
    const tail = this.ring.subarray(first * this.dim, (this.filledOnce ? this.capacity : this.size) * this.dim);
    result.set(tail);
    if (this.filledOnce) result.set(this.ring.subarray(0, first * this.dim), tail.length);
    else result.fill(0, tail.length);
    return result;
  }
}
