import {
  byModality,
  hostTensor,
  MODALITIES,
  type ByModality,
  type Host,
  type HostTensor,
  type NamedHost,
  type Random,
} from '@drf/tensor';
import { dropoutSeeds, type TokenLayout } from '@drf/encoders';
import type { BatchInputs, EncodedBatchInputs, TokenInputs } from '@drf/model';
import type { ContentRows } from './content-rows.js';
import type { DrawnDisruption } from './planned-record.js';

/** Rows of features that may live in memory or in a file. */
export interface FeatureRows {
  readonly dim: number;
  /** Copies rows, in the order asked for: [indices.length, dim]. */
  gather(indices: readonly number[]): Promise<GatheredRows> | GatheredRows;
}

type GatheredRows = NamedHost<['batch', 'width']>;

/** One modality of the posts of a set. */
export interface ModalityRows<Rows extends FeatureRows | ContentRows = FeatureRows | ContentRows> {
  readonly rows: Rows;
  /** λ, [posts]; rows of missing posts are zeros. */
  readonly available: Float32Array;
  /** Where it is known: 1 for what no disruption touched, else 0. [posts] */
  readonly intact?: Float32Array;
  /** Token-level outputs, where the method asked for them. */
  readonly tokens?: TokenRows;
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
export interface PostSet extends ByModality<ModalityRows> {
  readonly ids: readonly string[];
  /** [posts] */
  readonly labels: Int32Array;
}

/** Posts of which both modalities come as features. */
export interface FeatureSet extends PostSet {
  readonly image: ModalityRows<FeatureRows>;
  readonly text: ModalityRows<FeatureRows>;
}

/** Whether a modality comes as features. */
export function areFeatures(rows: FeatureRows | ContentRows): rows is FeatureRows {
  return 'dim' in rows;
}

/** Whether both modalities of a set come as features. */
export function isFeatureSet(set: PostSet): set is FeatureSet {
  return MODALITIES.every((modality) => areFeatures(set[modality].rows));
}

/** Posts of a set with their labels, as a step takes them. */
export interface GatheredBatch<Batch extends EncodedBatchInputs = EncodedBatchInputs> {
  readonly batch: Host<Batch>;
  readonly labels: NamedHost<['batch']>;
}

/** Disruptions of contents, by modality and place in the batch. */
export type ContentDisruptions = Partial<ByModality<ReadonlyMap<number, DrawnDisruption>>>;

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
  return { batch: { image, text }, labels: picked(set.labels, indices) };
}

async function gatherModality(
  { rows, available, intact, tokens }: ModalityRows,
  indices: readonly number[],
  disruptions: ContentDisruptions['image'],
): Promise<Host<EncodedBatchInputs['image']>> {
  const known = {
    available: picked(available, indices),
    ...(intact === undefined ? {} : { intact: picked(intact, indices) }),
  };
  if (!areFeatures(rows)) {
    const { inputs: contents, unreadable } = await rows.gather(indices, disruptions);
    for (const place of unreadable) known.available.data[place] = 0;
    return { ...known, contents };
  }
  const features = await rows.gather(indices);
  return { ...known, features, ...(tokens === undefined ? {} : { tokens: await tokens.gather(indices) }) };
}

/** Some posts' values, [indices.length]. */
function picked(values: Float32Array | Int32Array, indices: readonly number[]): HostTensor {
  const chosen = indices.map((index) => values[index] as number);
  return hostTensor(values instanceof Int32Array ? Int32Array.from(chosen) : chosen, [indices.length]);
}

/**
 * A batch for training: what encoders in the step read gets the seeds by which they drop values. They depend on the
 * stream, the modality and the post alone, so a batch in parts drops what the whole one does, and a run that goes on what
 * an undisturbed one does.
 * @param indices places of the batch's posts in the set
 * @param random of the epoch
 */
export function withDropoutSeeds(
  batch: Host<EncodedBatchInputs>,
  indices: readonly number[],
  random: Random,
): Host<EncodedBatchInputs> {
  return byModality((modality) => {
    const inputs = batch[modality];
    if (!('contents' in inputs)) return inputs;
    const dropout = dropoutSeeds(indices.map((index) => random.fork(modality).fork(index)));
    return { ...inputs, contents: { ...inputs.contents, dropout } };
  });
}

/** A set of some posts of another, in the order of `indices`; rows are shared. */
export function selectPosts(set: FeatureSet, indices: readonly number[]): FeatureSet;
export function selectPosts(set: PostSet, indices: readonly number[]): PostSet;
export function selectPosts(set: PostSet, indices: readonly number[]): PostSet {
  const inner = (places: readonly number[]): number[] => places.map((place) => indices[place] as number);
  const rowsOf = (own: FeatureRows | ContentRows): FeatureRows | ContentRows => {
    if (areFeatures(own)) return { dim: own.dim, gather: (places: readonly number[]) => own.gather(inner(places)) };
    const lengths = Int32Array.from(indices, (index) => own.lengths[index] as number);
    return { ...own, lengths, gather: (places, disruptions) => own.gather(inner(places), disruptions) };
  };
  const flags = (values: Float32Array): Float32Array => Float32Array.from(indices, (index) => values[index] as number);
  return {
    ids: indices.map((index) => set.ids[index] as string),
    labels: Int32Array.from(indices, (index) => set.labels[index] as number),
    ...byModality((modality): ModalityRows => {
      const { rows, available, intact, tokens } = set[modality];
      return {
        rows: rowsOf(rows),
        available: flags(available),
        ...(intact === undefined ? {} : { intact: flags(intact) }),
        ...(tokens === undefined
          ? {}
          : { tokens: { ...tokens, gather: (places: readonly number[]) => tokens.gather(inner(places)) } }),
      };
    }),
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
