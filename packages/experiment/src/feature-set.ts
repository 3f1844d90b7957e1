import { hostTensor, type Host, type HostTensor, type HostTree, type Modality, type TensorTree } from '@drf/tensor';
import type { TokenLayout } from '@drf/encoders';
import type { BatchInputs, EncodedBatchInputs, TokenInputs } from '@drf/model';
import type { ContentBatch, ContentRows } from './content-rows.js';
import type { DrawnDisruption } from './planned-record.js';

/** Rows of features that may live in memory or in a file. */
export interface FeatureRows {
  readonly dim: number;
  /** Copies rows, in the order asked for: [indices.length, dim]. */
  gather(indices: readonly number[]): Promise<HostTensor> | HostTensor;
}

/** Tokens of posts, one modality; in memory or in a file. */
export interface TokenRows {
  readonly layout: TokenLayout;
  /** Of the posts asked for, in their order. */
  gather(indices: readonly number[]): Promise<Host<TokenInputs>>;
}

/**
 * Posts of one split under one disruption: what methods train on and are judged by. A modality comes as features, or as
 * the contents that an encoder in the step reads.
 */
export interface PostSet {
  readonly ids: readonly string[];
  /** [posts] */
  readonly labels: Int32Array;
  readonly image: FeatureRows | ContentRows;
  readonly text: FeatureRows | ContentRows;
  /** λᵛ and λᵗ, [posts]; rows of missing modalities are zeros. */
  readonly imageAvailable: Float32Array;
  readonly textAvailable: Float32Array;
  /** Where it is known: 1 for what no disruption touched, else 0. [posts] */
  readonly imageIntact?: Float32Array;
  readonly textIntact?: Float32Array;
  /** Token-level outputs, where the method asked for them. */
  readonly imageTokens?: TokenRows;
  readonly textTokens?: TokenRows;
}

/** Posts of which both modalities come as features. */
export interface FeatureSet extends PostSet {
  readonly image: FeatureRows;
  readonly text: FeatureRows;
}

/** Whether a modality comes as features. */
export function areFeatures(rows: FeatureRows | ContentRows): rows is FeatureRows {
  return 'dim' in rows;
}

/** Posts of a set with their labels, as a step takes them. */
export interface GatheredBatch<Batch extends TensorTree = EncodedBatchInputs> {
  readonly batch: Host<Batch>;
  readonly labels: HostTensor;
}

/** Disruptions of contents, by modality and place in the batch. */
export type ContentDisruptions = { readonly [M in Modality]?: ReadonlyMap<number, DrawnDisruption> };

/**
 * A batch of a set. A content that cannot be read any more counts as missing.
 * @param disruptions of modalities that come as contents, done to them on the way
 */
export async function gatherBatch(set: FeatureSet, indices: readonly number[]): Promise<GatheredBatch<BatchInputs>>;
export async function gatherBatch(
  set: PostSet,
  indices: readonly number[],
  disruptions?: ContentDisruptions,
): Promise<GatheredBatch>;
export async function gatherBatch(
  set: PostSet,
  indices: readonly number[],
  disruptions: ContentDisruptions = {},
): Promise<GatheredBatch> {
  const [image, text] = await Promise.all([
    gatherModality(set.image, indices, disruptions.image),
    gatherModality(set.text, indices, disruptions.text),
  ]);
  const available = (values: Float32Array, { unreadable }: ContentBatch): HostTensor => {
    const picked = Float32Array.from(indices, (index) => values[index] as number);
    for (const place of unreadable) picked[place] = 0;
    return hostTensor(picked, [indices.length]);
  };
  const flags = (values: Float32Array): HostTensor =>
    hostTensor(
      Float32Array.from(indices, (index) => values[index] as number),
      [indices.length],
    );
  return {
    batch: {
      image: image.inputs,
      text: text.inputs,
      imageAvailable: available(set.imageAvailable, image),
      textAvailable: available(set.textAvailable, text),
      ...(set.imageIntact === undefined ? {} : { imageIntact: flags(set.imageIntact) }),
      ...(set.textIntact === undefined ? {} : { textIntact: flags(set.textIntact) }),
      ...(set.imageTokens === undefined ? {} : { imageTokens: await set.imageTokens.gather(indices) }),
      ...(set.textTokens === undefined ? {} : { textTokens: await set.textTokens.gather(indices) }),
    } as unknown as Host<EncodedBatchInputs>,
    labels: hostTensor(
      Int32Array.from(indices, (index) => set.labels[index] as number),
      [indices.length],
    ),
  };
}

async function gatherModality(
  rows: FeatureRows | ContentRows,
  indices: readonly number[],
  disruptions: ContentDisruptions[Modality],
): Promise<ContentBatch> {
  if (!areFeatures(rows)) return rows.gather(indices, disruptions);
  return { inputs: (await rows.gather(indices)) as unknown as HostTree, unreadable: [] };
}

/** A set of some posts of another, in the order of `indices`; rows are shared. */
export function selectPosts<Set extends PostSet>(set: Set, indices: readonly number[]): Set {
  const inner = (places: readonly number[]): number[] => places.map((place) => indices[place] as number);
  const rows = (own: FeatureRows | ContentRows): FeatureRows | ContentRows => {
    if (areFeatures(own)) {
      const gather: FeatureRows['gather'] = (places) => own.gather(inner(places));
      return { dim: own.dim, gather };
    }
    const lengths = Int32Array.from(indices, (index) => own.lengths[index] as number);
    const gather: ContentRows['gather'] = (places, disruptions) => own.gather(inner(places), disruptions);
    return { lengths, gather };
  };
  const flags = (values: Float32Array): Float32Array => Float32Array.from(indices, (index) => values[index] as number);
  const tokens = (own: TokenRows): TokenRows => ({ ...own, gather: (places) => own.gather(inner(places)) });
  const selected: PostSet = {
    ids: indices.map((index) => set.ids[index] as string),
    labels: Int32Array.from(indices, (index) => set.labels[index] as number),
    image: rows(set.image),
    text: rows(set.text),
    imageAvailable: flags(set.imageAvailable),
    textAvailable: flags(set.textAvailable),
    ...(set.imageIntact === undefined ? {} : { imageIntact: flags(set.imageIntact) }),
    ...(set.textIntact === undefined ? {} : { textIntact: flags(set.textIntact) }),
    ...(set.imageTokens === undefined ? {} : { imageTokens: tokens(set.imageTokens) }),
    ...(set.textTokens === undefined ? {} : { textTokens: tokens(set.textTokens) }),
  };
  return selected as Set; // rows keep their kind
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
