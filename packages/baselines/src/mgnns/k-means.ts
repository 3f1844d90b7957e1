import type { Random } from '@drf/tensor';

/** Rows of one width, one after the other. */
export interface Rows {
  readonly data: Float32Array;
  readonly dim: number;
}

const rowsIn = ({ data, dim }: Rows): number => data.length / dim;

function squaredDistance(a: Rows, i: number, b: Rows, j: number): number {
  const { dim } = a;
  let sum = 0;
  for (let k = 0; k < dim; k++) sum += ((a.data[i * dim + k] as number) - (b.data[j * dim + k] as number)) ** 2;
  return sum;
}

/** The nearest centroid of a row; of equally near ones the first. */
export function nearest(rows: Rows, row: number, centroids: Rows): number {
  const { dim } = rows;
  let best = 0;
  let smallest = Infinity;
  const start = row * dim;
  for (let c = 0; c < rowsIn(centroids); c++) {
    let sum = 0;
    for (let k = 0, at = c * dim; k < dim && sum < smallest; k++, at++) {
      const difference = (rows.data[start + k] as number) - (centroids.data[at] as number);
      sum += difference * difference;
    }
    if (sum < smallest) [best, smallest] = [c, sum];
  }
  return best;
}

/** k-means++ (Arthur and Vassilvitskii 2007): each next center is drawn by its squared distance from those before. */
function seedCentroids(rows: Rows, clusters: number, random: Random): Float32Array {
  const { data, dim } = rows;
  const count = rowsIn(rows);
  const centroids = new Float32Array(clusters * dim);
  const distances = new Float64Array(count).fill(Infinity);
  let chosen = random.integer(count);
  for (let c = 0; c < clusters; c++) {
    centroids.set(data.subarray(chosen * dim, (chosen + 1) * dim), c * dim);
    let total = 0;
    for (let i = 0; i < count; i++) {
      distances[i] = Math.min(distances[i] as number, squaredDistance(rows, i, rows, chosen));
      total += distances[i] as number;
    }
    let left = random.uniform() * total;
    chosen = 0;
    while (chosen < count - 1 && (left -= distances[chosen] as number) > 0) chosen++;
  }
  return centroids;
}

/**
 * k-means by Lloyd's algorithm from k-means++ centers; decided by the stream. A cluster that loses all its rows stays
 * where it was.
 * @param rows at least one
 * @returns centroids [clusters, dim]
 */
export function kMeans(rows: Rows, clusters: number, random: Random, iterations = 10): Rows {
  const { data, dim } = rows;
  const centroids: Rows = { data: seedCentroids(rows, clusters, random), dim };
  let before: Int32Array | undefined;
  for (let iteration = 0; iteration < iterations; iteration++) {
    const assigned = Int32Array.from({ length: rowsIn(rows) }, (_, row) => nearest(rows, row, centroids));
    if (before?.every((cluster, row) => cluster === assigned[row]) === true) break;
    before = assigned;
    const sums = new Float64Array(clusters * dim);
    const counts = new Float64Array(clusters);
    assigned.forEach((cluster, row) => {
      counts[cluster] = (counts[cluster] as number) + 1;
      for (let k = 0; k < dim; k++) {
        sums[cluster * dim + k] = (sums[cluster * dim + k] as number) + (data[row * dim + k] as number);
      }
    });
    counts.forEach((count, cluster) => {
      for (let k = cluster * dim; count > 0 && k < (cluster + 1) * dim; k++) {
        centroids.data[k] = (sums[k] as number) / count;
      }
    });
  }
  return centroids;
}
