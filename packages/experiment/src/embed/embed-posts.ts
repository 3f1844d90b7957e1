import { readUnlabeledPosts, type ColumnNames, type EncodingChoice, type UnlabeledResult } from '@drf/datasets';
import { disruptionKey } from '@drf/disruption';
import { encodeWithCache, featureKey, openFeatureCache, type FeatureCache, type FrozenEncoder } from '@drf/encoders';
import { MODALITIES, type DataError, type Modality, type RgbImage } from '@drf/tensor';
import type { Embedder, PostFeatures } from './embedder.js';

/** A row of the input, in its order: a post's features, or why it has none. */
export type EmbeddedPost = {
  /** 1-based place in the input. */
  readonly row: number;
  /** The row's own id; without one, its place ("posts.csv, line 7"), or the name of the files in a folder. */
  readonly id: string;
} & (
  | { readonly features: PostFeatures; readonly error?: undefined }
  | { readonly error: { readonly reason: string; readonly detail: string }; readonly features?: undefined }
);

/** How posts are read, and where features are kept. */
export interface EmbedOptions {
  /** Folder that image paths of a table are relative to (default: that of the file). Nothing outside it is read. */
  readonly root?: string;
  /** Of a table, or of a folder's texts; default `auto`. */
  readonly encoding?: EncodingChoice;
  /** Which column of a table holds what, where common names do not tell. */
  readonly columns?: ColumnNames;
  /** Files of a folder whose paths begin with this are no input. */
  readonly except?: string;
  /**
   * Folder of the feature cache that trainings use, too: what it holds is not encoded again. Without one, memory does not
   * grow with the posts; with one, by an index of some 200 bytes a post.
   */
  readonly cache?: string;
  /** Told how the input is read, where that is worth knowing. */
  readonly onNote?: (message: string) => void;
  /** Told how many contents were encoded so far; the others came from the cache. */
  readonly onEncoded?: (contents: number) => void;
  readonly signal?: AbortSignal;
}

/** Posts that are read, encoded and finished together. */
const POSTS_AT_ONCE = 64;

/**
 * Features of posts, one row after the other, with memory for a few dozen posts. A row that cannot be read or encoded
 * comes as its error, and the others go on.
 * @param input a `.jsonl`, `.csv`, `.tsv` or `.parquet` file with columns `text` and `image`, or a folder of images and
 *   texts
 * @throws DataError when the input cannot be opened; the signal's reason when aborted
 */
export async function* embedPosts(
  embedder: Embedder,
  input: string,
  options: EmbedOptions = {},
): AsyncGenerator<EmbeddedPost> {
  const { cache: folder, signal, onEncoded, ...reading } = options;
  const { imageSize } = embedder;
  const decoding = { width: imageSize, height: imageSize, fit: 'stretch', maximumPixels: 100_000_000 } as const;
  const caches = { image: await cacheOf(folder, embedder.image), text: await cacheOf(folder, embedder.text) };
  let encoded = 0;
  const encode = async (group: readonly UnlabeledResult[]): Promise<EmbeddedPost[]> => {
    const image = await encodeModality('image', embedder.image, caches.image, group, signal);
    const text = await encodeModality('text', embedder.text, caches.text, group, signal);
    onEncoded?.((encoded += image.encoded + text.encoded));
    return finishGroup(embedder, group, { image, text });
  };
  try {
    let group: UnlabeledResult[] = [];
    for await (const result of readUnlabeledPosts(input, { ...reading, decoding })) {
      signal?.throwIfAborted();
      group.push(result);
      if (group.length < POSTS_AT_ONCE) continue;
      yield* await encode(group);
      group = [];
    }
    yield* await encode(group);
  } finally {
    for (const cache of [caches.image, caches.text]) await cache?.close();
  }
}

async function cacheOf<C>(folder: string | undefined, encoder: FrozenEncoder<C>): Promise<FeatureCache | undefined> {
  return folder === undefined ? undefined : openFeatureCache(folder, encoder);
}

/** Features of one modality by place in the group; errors of contents that the encoder refused. */
interface EncodedGroup {
  readonly rows: ReadonlyMap<number, Float32Array>;
  readonly errors: ReadonlyMap<number, DataError>;
  readonly encoded: number;
}

async function encodeModality<M extends Modality, C extends { image: RgbImage; text: string }[M]>(
  modality: M,
  encoder: FrozenEncoder<C>,
  cache: FeatureCache | undefined,
  group: readonly UnlabeledResult[],
  signal: AbortSignal | undefined,
): Promise<EncodedGroup> {
  const errors = new Map<number, DataError>();
  const items = group.flatMap((result, place) => {
    if ('error' in result) return [];
    const [content, hash] = [result.post[modality], result.contentHashes[modality]];
    if (content === null || hash === null) return [];
    return [
      {
        place,
        key: featureKey(hash, disruptionKey(undefined)),
        name: `post ${result.id}`,
        load: () => Promise.resolve(content as C),
      },
    ];
  });
  let encoded = 0;
  const store = await encodeWithCache<C>({
    encoder,
    ...(cache === undefined ? {} : { cache }),
    items,
    ...(signal === undefined ? {} : { signal }),
    onProgress: (progress) => (encoded = progress.encoded),
    onRowError: (item, error) => {
      for (const { place, key } of items) if (key === item.key) errors.set(place, error);
    },
  });
  const present = items.flatMap(({ place }, item) => (store.available[item] === 1 ? [{ place, item }] : []));
  const { data } = await store.rows(present.map(({ item }) => item));
  const { outputDim } = encoder;
  const rows = present.map(({ place }, i): [number, Float32Array] => [
    place,
    (data as Float32Array).slice(i * outputDim, (i + 1) * outputDim),
  ]);
  return { rows: new Map(rows), errors, encoded };
}

async function finishGroup(
  embedder: Embedder,
  group: readonly UnlabeledResult[],
  encoded: Readonly<Record<Modality, EncodedGroup>>,
): Promise<EmbeddedPost[]> {
  const errorOf = (result: UnlabeledResult, place: number): { reason: string; detail: string } | undefined => {
    if ('error' in result) return { reason: result.error.reason, detail: result.error.message };
    const error = MODALITIES.map((modality) => encoded[modality].errors.get(place)).find((each) => each !== undefined);
    return error === undefined ? undefined : { reason: 'not encoded', detail: error.message };
  };
  const errors = group.map(errorOf);
  const kept = [...group.keys()].filter((place) => errors[place] === undefined);
  const finished = await embedder.finish(
    kept.map((place) => ({ image: encoded.image.rows.get(place) ?? null, text: encoded.text.rows.get(place) ?? null })),
  );
  const features = new Map(kept.map((place, i) => [place, finished[i] as PostFeatures]));
  return group.map(({ row, id }, place) => {
    const error = errors[place];
    return error === undefined ? { row, id, features: features.get(place) as PostFeatures } : { row, id, error };
  });
}
