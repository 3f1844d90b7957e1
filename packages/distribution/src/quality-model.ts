import {
  assertShape,
  ConfigurationError,
  CheckpointError,
  floatData,
  hostTensor,
  type HostTensor,
  type HostTree,
  type NamedHost,
  type Random,
} from '@drf/tensor';
import { distanceMoments } from './distance-moments.js';
import { FeatureQueue } from './feature-queue.js';
import { fitLowRankGaussian, type LowRankGaussian } from './low-rank-gaussian.js';
import type { StatisticMoments } from './quality-statistics.js';

/** Sizes of a {@link QualityModel}. */
export interface QualityModelOptions {
  /** Rows of the queue. */
  readonly capacity: number;
  /** Width of the encoder's outputs. */
  readonly width: number;
  /** Directions of the Gaussian; capped at width − 1. */
  readonly rank: number;
}

/** A fitted Gaussian and what its statistics are over intact rows. */
export type FittedQuality<Leaf = HostTensor> = {
  readonly gaussian: LowRankGaussian<Leaf>;
  readonly moments: StatisticMoments<Leaf>;
};

/** Rows before the first fit. */
const FIRST_FIT = 16;
/** Of the rows in the queue; the others, the newest, tell what statistics new intact rows have. */
const FITTED_SHARE = 0.75;
/** Queues that go by between two fits once they are far apart. */
const QUEUES_A_FIT = 8;

/**
 * What intact encoder outputs of one modality look like: a queue of the latest ones and a low-rank Gaussian fitted to
 * it anew now and then. The fits happen when 16, 32, 64, … rows have entered, at the latest after eight queues full, so
 * they depend on the rows alone, and a restored model goes on as if it had not stopped.
 */
export class QualityModel {
  private queue: FeatureQueue;
  private fitted: FittedQuality;
  private fittedAt = 0;
  private enqueued = 0;
  /** Different rows among those of the latest fit: posts come again epoch by epoch. 0 where it is not known. */
  private distinct = 0;

  constructor(private readonly options: QualityModelOptions) {
    const { capacity, width } = options;
    if (width < 2) throw tooNarrow(width);
    this.queue = new FeatureQueue({ capacity, dim: width });
    this.fitted = unfitted(width, this.rank);
  }

  private get rank(): number {
    return Math.min(this.options.rank, this.options.width - 1);
  }

  /** Whether there was a fit; before it {@link inputs} says nothing of the rows. */
  get ready(): boolean {
    return this.fittedAt > 0;
  }

  /** The latest fit; before the first, a Gaussian around 0 of variance 1. */
  inputs(): FittedQuality {
    return this.fitted;
  }

  /**
   * Takes in the rows known to be intact.
   * @param features [batch, width]
   * @param intact a mask of the rows, [batch], 1 or 0
   * @throws ShapeMismatchError and NonFiniteError as `FeatureQueue.enqueue`
   */
  enqueue(features: HostTensor, intact: NamedHost<['batch']>): void {
    this.enqueued += this.queue.enqueue(features, intact);
    const { capacity } = this.options;
    const next = Math.max(FIRST_FIT, Math.min(2 * this.fittedAt, this.fittedAt + QUEUES_A_FIT * capacity));
    if (this.enqueued < next || this.queue.size < Math.min(FIRST_FIT, capacity)) return;
    this.fitted = fit(this.queue, this.rank);
    this.fittedAt = this.enqueued;
    this.distinct = distinctRows(this.queue);
  }

  /**
   * The Gaussian that there would be, had some rows never gone by: fitted to as many rows as the latest fit, and to as
   * many different ones among them, as far as there are. For measuring densities of rows by a fit that did not see them
   * (cross-fitting).
   * @param rows those that may be fitted to, known to be intact, [rows, width]
   * @returns the present one while there is none, or for fewer than two rows
   */
  refitted(rows: HostTensor, random: Random): LowRankGaussian {
    const { capacity, width } = this.options;
    assertShape('QualityModel.refitted rows', rows, ['*', width]);
    const count = rows.shape[0] as number;
    if (!this.ready || count < 2) return this.fitted.gaussian;
    const total = fittedRows(Math.min(this.fittedAt, capacity));
    const places = random.shuffle(Array.from({ length: count }, (_, place) => place)).slice(0, Math.min(total, this.distinct || total)); // prettier-ignore
    const rounds = total / places.length; // each row counts as often as it goes in, the first ones once more
    const times = places.map((_, i) => Math.floor(rounds) + (i < total % places.length ? 1 : 0));
    const data = floatData(rows);
    const chosen = new Float32Array(places.length * width);
    places.forEach((place, row) => chosen.set(data.subarray(place * width, (place + 1) * width), row * width));
    return fitLowRankGaussian(hostTensor(chosen, [places.length, width]), this.rank, times);
  }

  /** A copy of all that it remembers, for checkpoints. */
  state(): HostTree {
    const { rows, enqueued } = this.queue.state();
    return {
      rows: hostTensor(rows, [this.queue.size, this.options.width]),
      counts: hostTensor(Int32Array.of(enqueued, this.fittedAt, this.distinct), [3]),
      fitted: this.fitted,
    };
  }

  /** @throws CheckpointError when the state is not of a model of this size */
  restore(state: HostTree, subject: string): void {
    const { rows, counts, fitted } = state as { rows?: HostTensor; counts?: HostTensor; fitted?: FittedQuality };
    const { capacity, width } = this.options;
    const enqueued = Number(counts?.data[0] ?? Number.NaN);
    const due = [Math.min(enqueued, capacity), width].join(', ');
    const basis = fitted?.gaussian?.basis?.shape.join(', ');
    if (rows?.shape.join(', ') !== due || basis !== `${width}, ${this.rank}`) {
      throw new CheckpointError({
        subject,
        expected: `rows [${due}] and a basis [${width}, ${this.rank}]`,
        received: `rows [${rows?.shape.join(', ') ?? 'none'}] and a basis [${basis ?? 'none'}]`,
        remedy: 'this checkpoint belongs to another method, or to queues or a rank of another size',
      });
    }
    this.queue = FeatureQueue.restore({ capacity, dim: width, rows: floatData(rows), enqueued });
    this.enqueued = enqueued;
    this.fittedAt = Number(counts?.data[1]);
    this.distinct = Number(counts?.data[2] ?? 0); // earlier versions did not count them
    this.fitted = fitted as FittedQuality;
  }
}

/** Of a queue's rows, the oldest, which the Gaussian is fitted to. */
function fittedRows(size: number): number {
  return Math.max(2, Math.floor(FITTED_SHARE * size));
}

function distinctRows(queue: FeatureQueue): number {
  const { rows, dim } = queue.state();
  const bytes = new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength);
  const decoder = new TextDecoder('latin1'); // a character for each byte
  const found = new Set<string>();
  for (let row = 0; row < fittedRows(queue.size); row++) {
    found.add(decoder.decode(bytes.subarray(4 * row * dim, 4 * (row + 1) * dim)));
  }
  return found.size;
}

function fit(queue: FeatureQueue, rank: number): FittedQuality {
  const { rows, dim } = queue.state();
  const split = fittedRows(queue.size);
  const part = (from: number, to: number): HostTensor => hostTensor(rows.slice(from * dim, to * dim), [to - from, dim]);
  const gaussian = fitLowRankGaussian(part(0, split), rank);
  const held = split < queue.size ? part(split, queue.size) : part(0, split);
  return { gaussian, moments: distanceMoments(held, gaussian) };
}

function unfitted(width: number, rank: number): FittedQuality {
  const filled = (value: number, shape: readonly number[]): HostTensor =>
    hostTensor(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value), shape);
  return {
    gaussian: {
      mean: filled(0, [width]),
      basis: filled(0, [width, rank]),
      variances: filled(1, [rank]),
      noise: filled(1, []),
    },
    moments: { mean: filled(0, [3]), std: filled(1, [3]) },
  };
}

function tooNarrow(width: number): ConfigurationError {
  return new ConfigurationError({
    subject: 'QualityModel width',
    expected: 'two values or more',
    received: String(width),
    remedy: 'use an encoder with more outputs',
  });
}
