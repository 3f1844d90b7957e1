import * as tf from '@tensorflow/tfjs';
import {
  assertShape,
  floatData,
  hostTensor,
  named,
  type Engine,
  type HostTensor,
  type Named,
  type Program,
} from '@drf/tensor';

/** What a batch adds to the sums of its groups. */
type BatchSums = {
  /** [group, width] */
  readonly sums: Named<['group', 'width']>;
  /** Σ r·rᵀ over all rows, [width, width] */
  readonly products: Named<['width', 'other']>;
};
type BatchRows = {
  /** [batch, width] */
  readonly rows: Named<['batch', 'width']>;
  /** 1 where a row belongs to a group, else 0. [batch, group] */
  readonly membership: Named<['batch', 'group']>;
};

/** Sums of a batch of rows by group, and of the products of their values. */
function batchSums(_: Record<string, never>, { rows, membership }: BatchRows): BatchSums {
  const sums = tf.matMul(membership, rows, true); // [group, batch] × [batch, width] → [group, width]
  const products = tf.matMul(rows, rows, true); // [width, batch] × [batch, width] → [width, width]
  return { sums: named(sums, ['group', 'width']), products: named(products, ['width', 'other']) };
}

/** Rows that the engine takes at once. */
const ROWS_AT_ONCE = 64;

/** Sizes of {@link GroupMoments}. */
export interface GroupMomentsOptions {
  readonly width: number;
  readonly groups: number;
}

/** Counts, means and the scatter within groups of rows that were added. */
export interface WithinGroups {
  /** Rows of each group. [groups] */
  readonly counts: Float64Array;
  /** Mean of each group; 0 of one without rows. [groups][width] */
  readonly means: readonly Float64Array[];
  /** Σ (r − μ of its group)·(r − μ of its group)ᵀ over all rows, row by row. [width · width] */
  readonly scatter: Float64Array;
}

/**
 * Means of groups of rows, and how rows scatter within their groups, gathered batch by batch: memory does not grow with
 * the rows. Products are computed by the engine; sums over batches are kept in 64 bits, about a row near the mean, so
 * that values far from 0 cost no digits.
 */
export class GroupMoments {
  private readonly counts: Float64Array;
  private readonly sums: Float64Array;
  private readonly products: Float64Array;
  /** What values are counted from, [width], and in what unit: about 0 and of size 1, they lose no digits in products. */
  private frame: { readonly origin: Float32Array; readonly unit: number } | undefined;

  private constructor(
    private readonly options: GroupMomentsOptions,
    private readonly program: Program<BatchRows, BatchSums>,
  ) {
    const { width, groups } = options;
    this.counts = new Float64Array(groups);
    this.sums = new Float64Array(groups * width);
    this.products = new Float64Array(width * width);
  }

  static async create(engine: Engine, options: GroupMomentsOptions): Promise<GroupMoments> {
    return new GroupMoments(options, await engine.prepare(batchSums, {}));
  }

  /**
   * @param rows [batch, width]
   * @param groups number of each row's group
   * @throws ShapeMismatchError when the rows have another width
   */
  async add(rows: HostTensor, groups: ArrayLike<number>): Promise<void> {
    const { width } = this.options;
    assertShape('GroupMoments.add rows', rows, [groups.length, width]);
    for (let start = 0; start < groups.length; start += ROWS_AT_ONCE) {
      const end = Math.min(groups.length, start + ROWS_AT_ONCE);
      await this.addPart(floatData(rows).subarray(start * width, end * width), Array.from(groups).slice(start, end));
    }
  }

  /** Rows that are wanting to the fixed size are zeros of no group, which add nothing. */
  private async addPart(data: Float32Array, groups: readonly number[]): Promise<void> {
    const { width, groups: count } = this.options;
    const { origin, unit } = (this.frame ??= frameOf(data, width));
    const membership = new Float32Array(ROWS_AT_ONCE * count);
    const centered = new Float32Array(ROWS_AT_ONCE * width);
    groups.forEach((group, row) => {
      membership[row * count + group] = 1;
      this.counts[group] = (this.counts[group] as number) + 1;
      for (let i = 0; i < width; i++) {
        centered[row * width + i] = ((data[row * width + i] as number) - (origin[i] as number)) / unit;
      }
    });
    const { sums, products } = await this.program.run({
      rows: hostTensor(centered, [ROWS_AT_ONCE, width]),
      membership: hostTensor(membership, [ROWS_AT_ONCE, count]),
    });
    addTo(this.sums, sums.data);
    addTo(this.products, products.data);
  }

  /** Of all rows so far. */
  within(): WithinGroups {
    const { width, groups } = this.options;
    const { origin, unit } = this.frame ?? { origin: new Float32Array(width), unit: 1 };
    const scatter = Float64Array.from(this.products);
    const means = Array.from({ length: groups }, (_, group) => {
      const count = this.counts[group] as number;
      const offset = this.sums.subarray(group * width, (group + 1) * width);
      for (let i = 0; count > 0 && i < width; i++) {
        const share = (offset[i] as number) / count;
        for (let j = 0; j < width; j++) scatter[i * width + j]! -= share * (offset[j] as number);
      }
      return Float64Array.from(offset, (sum, i) => (count === 0 ? 0 : (origin[i] as number) + (unit * sum) / count));
    });
    return { counts: Float64Array.from(this.counts), means, scatter: scatter.map((value) => value * unit ** 2) };
  }

  /** Frees what the engine holds. */
  dispose(): Promise<void> {
    return this.program.dispose();
  }
}

/** The mean of some rows, and the power of two next to the size of their values around it. */
function frameOf(data: Float32Array, width: number): { readonly origin: Float32Array; readonly unit: number } {
  const rows = data.length / width;
  const sums = new Float64Array(width);
  for (let place = 0; place < data.length; place++) sums[place % width]! += data[place] as number;
  const origin = Float32Array.from(sums, (sum) => sum / rows);
  let squares = 0;
  for (let place = 0; place < data.length; place++) {
    squares += ((data[place] as number) - (origin[place % width] as number)) ** 2;
  }
  return { origin, unit: powerOfTwo(Math.sqrt(squares / data.length)) };
}

/** The power of two next to a size; 1 of none. Dividing by it costs no digits. */
export function powerOfTwo(size: number): number {
  return size > 0 && Number.isFinite(size) ? 2 ** Math.round(Math.log2(size)) : 1;
}

function addTo(sums: Float64Array, values: ArrayLike<number>): void {
  for (let i = 0; i < sums.length; i++) sums[i] = (sums[i] as number) + (values[i] as number);
}
