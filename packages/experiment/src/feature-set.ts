import { hostTensor, type Host, type HostTensor } from '@drf/tensor';
import type { BatchInputs } from '@drf/model';
import type { TokenRows } from './token-rows.js';

/** Rows of features that may live in memory or in a file. */
export interface FeatureRows {
  readonly dim: number;
  /** Copies rows, in the order asked for: [indices.length, dim]. */
  gather(indices: readonly number[]): Promise<HostTensor> | HostTensor;
}

/** Encoded posts of one split under one disruption: what methods train on and are judged by. */
export interface FeatureSet {
  readonly ids: readonly string[];
  /** [posts] */
  readonly labels: Int32Array;
  readonly image: FeatureRows;
  readonly text: FeatureRows;
  /** λᵛ and λᵗ, [posts]; rows of missing modalities are zeros. */
  readonly imageAvailable: Float32Array;
  readonly textAvailable: Float32Array;
  /** Token-level outputs, where the method asked for them. */
  readonly imageTokens?: TokenRows;
  readonly textTokens?: TokenRows;
}

/** A batch of a feature set. */
export async function gatherBatch(
  set: FeatureSet,
  indices: readonly number[],
): Promise<{ batch: Host<BatchInputs>; labels: HostTensor }> {
  const pick = (values: Float32Array): HostTensor =>
    hostTensor(
      Float32Array.from(indices, (index) => values[index] as number),
      [indices.length],
    );
  return {
    batch: {
      image: await set.image.gather(indices),
      text: await set.text.gather(indices),
      imageAvailable: pick(set.imageAvailable),
      textAvailable: pick(set.textAvailable),
      ...(set.imageTokens === undefined ? {} : { imageTokens: await set.imageTokens.gather(indices) }),
      ...(set.textTokens === undefined ? {} : { textTokens: await set.textTokens.gather(indices) }),
    } as unknown as Host<BatchInputs>,
    labels: hostTensor(
      Int32Array.from(indices, (index) => set.labels[index] as number),
      [indices.length],
    ),
  };
}

/** A set of some posts of another, in the order of `indices`; rows are shared. */
export function selectPosts(set: FeatureSet, indices: readonly number[]): FeatureSet {
  const inner = (places: readonly number[]): number[] => places.map((place) => indices[place] as number);
  const rows = ({ dim, gather }: FeatureRows): FeatureRows => ({ dim, gather: (places) => gather(inner(places)) });
  const tokens = (own: TokenRows): TokenRows => ({ ...own, gather: (places) => own.gather(inner(places)) });
  return {
    ids: indices.map((index) => set.ids[index] as string),
    labels: Int32Array.from(indices, (index) => set.labels[index] as number),
    image: rows(set.image),
    text: rows(set.text),
    imageAvailable: Float32Array.from(indices, (index) => set.imageAvailable[index] as number),
    textAvailable: Float32Array.from(indices, (index) => set.textAvailable[index] as number),
    ...(set.imageTokens === undefined ? {} : { imageTokens: tokens(set.imageTokens) }),
    ...(set.textTokens === undefined ? {} : { textTokens: tokens(set.textTokens) }),
  };
}

/** Features held in memory. @param rows [posts, dim] */
export function memoryRows(rows: HostTensor): FeatureRows {
  const [, dim] = rows.shape as [number, number];
  return {
    dim,
    gather: (indices) => {
      const data = new Float32Array(indices.length * dim);
      indices.forEach((index, row) => data.set(rows.data.subarray(index * dim, (index + 1) * dim), row * dim));
      return hostTensor(data, [indices.length, dim]);
    },
  };
}
