import { hostTensor, type Host, type HostTensor, type Random } from '@drf/tensor';
import type { TokenInputs, TokenShape } from '@drf/model';
import { CoOccurrence } from './co-occurrence.js';
import { partsOf, readTexts, sampleRows, windowsOf } from './graph-source.js';
import { kMeans, nearest, type Rows } from './k-means.js';

/** How many nodes the three graphs have. */
export interface GraphSizes {
  readonly words: number;
  readonly objects: number;
  readonly scenes: number;
  /** As in the authors' code: image nodes are neighbors from these probabilities on; left out: by their probabilities. */
  readonly thresholds?: { readonly objects: number; readonly scenes: number };
}

/** Tokens of the training posts, read in parts: texts once, images twice. */
export interface TokenSource {
  readonly posts: number;
  /** Tokens of the posts at these places. */
  image(indices: readonly number[]): Promise<Host<TokenInputs>>;
  text(indices: readonly number[]): Promise<Host<TokenInputs>>;
}

/** Numbers of nodes, their first features, and edges between them: float32, part of the parameters but not trained. */
export type MeasuredGraphs = {
  /** [words], the word piece of each node; −1 where the vocabulary is smaller. */
  readonly wordPieces: HostTensor;
  /** [words, text token width], mean state of the piece over the training texts. */
  readonly wordStates: HostTensor;
  /** [words, words], positive mutual information. */
  readonly wordEdges: HostTensor;
  /** [objects, image token width] */
  readonly objectStates: HostTensor;
  /** [objects, objects], rows sum to 1. */
  readonly objectEdges: HostTensor;
  readonly sceneStates: HostTensor;
  readonly sceneEdges: HostTensor;
};

/** Word pieces that stand together count as a window. */
const WINDOW = 6;
/** What an image node gives to its neighbors: without thresholds, and with them. */
const NEIGHBOR_SHARE = 0.25;
const THRESHOLD_SHARE = 0.2;
/** Places that k-means looks at. */
const SAMPLE = 12_288;
const POSTS_AT_ONCE = 64;

/** Graphs without edges, for names and shapes alone. */
export function emptyGraphs(
  sizes: GraphSizes,
  tokens: { readonly image: TokenShape; readonly text: TokenShape },
): MeasuredGraphs {
  // prettier-ignore
  const zeros = (...shape: number[]): HostTensor =>
    hostTensor(new Float32Array(shape.reduce((product, size) => product * size, 1)), shape);
  const { words, objects, scenes } = sizes;
  return {
    wordPieces: hostTensor(new Float32Array(words).fill(-1), [words]),
    wordStates: zeros(words, tokens.text.dim),
    wordEdges: zeros(words, words),
    objectStates: zeros(objects, tokens.image.dim),
    objectEdges: zeros(objects, objects),
    sceneStates: zeros(scenes, tokens.image.dim),
    sceneEdges: zeros(scenes, scenes),
  };
}

/**
 * The three co-occurrence graphs of the training posts: of their most frequent word pieces, of clusters of their images'
 * places ("objects"), and of clusters of quarters of their images ("scenes").
 */
export async function measureGraphs(
  source: TokenSource,
  sizes: GraphSizes,
  random: Random,
  onProgress?: (done: number, total: number) => void,
): Promise<MeasuredGraphs> {
  const { posts } = source;
  const pass = (read: TokenSource['image'], before: number) =>
    parts(read, posts, (done) => onProgress?.(before * posts + done, 3 * posts));
  const images = (before: number) => pass((indices) => source.image(indices), before);
  const { pieces, texts } = await readTexts(pass((indices) => source.text(indices), 0));
  const wordPieces = pieces.mostFrequent(sizes.words);
  const sample = await sampleRows(
    images(1),
    Math.max(1, Math.floor(SAMPLE / Math.max(1, source.posts))),
    random.fork('sample'),
  );
  const objects = kMeans(sample.places, sizes.objects, random.fork('objects'));
  const scenes = kMeans(sample.parts, sizes.scenes, random.fork('scenes'));
  const counts = {
    words: new CoOccurrence(sizes.words),
    objects: new CoOccurrence(sizes.objects),
    scenes: new CoOccurrence(sizes.scenes),
  };
  const nodeOf = new Map(wordPieces.map((piece, node) => [piece, node] as const));
  for (const window of windowsOf(texts, WINDOW)) counts.words.add(window.flatMap((piece) => nodeOf.get(piece) ?? []));
  for await (const image of images(2)) {
    countClusters(image, objects, counts.objects);
    countClusters(partsOf(image), scenes, counts.scenes);
  }
  const matrix = (data: Float32Array, nodes: number): HostTensor => hostTensor(data, [nodes, data.length / nodes]);
  const padded = Float32Array.from({ length: sizes.words }, (_, node) => wordPieces[node] ?? -1);
  return {
    wordPieces: hostTensor(padded, [sizes.words]),
    wordStates: matrix(pieces.meanStates(wordPieces, sizes.words), sizes.words),
    wordEdges: matrix(counts.words.mutualInformation(), sizes.words),
    objectStates: matrix(objects.data, sizes.objects),
    objectEdges: matrix(imageEdges(counts.objects, sizes.thresholds?.objects), sizes.objects),
    sceneStates: matrix(scenes.data, sizes.scenes),
    sceneEdges: matrix(imageEdges(counts.scenes, sizes.thresholds?.scenes), sizes.scenes),
  };
}

function imageEdges(counts: CoOccurrence, threshold: number | undefined): Float32Array {
  if (threshold === undefined) return counts.conditionalEdges(NEIGHBOR_SHARE);
  return counts.thresholdEdges(threshold, THRESHOLD_SHARE);
}

async function* parts(
  read: TokenSource['image'],
  posts: number,
  onProgress: (done: number) => void,
): AsyncGenerator<Host<TokenInputs>> {
  for (let start = 0; start < posts; start += POSTS_AT_ONCE) {
    const end = Math.min(start + POSTS_AT_ONCE, posts);
    yield await read(Array.from({ length: end - start }, (_, i) => start + i));
    onProgress(end);
  }
}

/** Each post's clusters are a window. */
function countClusters({ tokens, mask }: Host<TokenInputs>, centroids: Rows, counts: CoOccurrence): void {
  const [posts, count] = mask.shape as [number, number];
  const rows: Rows = { data: tokens.data as Float32Array, dim: centroids.dim };
  for (let post = 0; post < posts; post++) {
    const standing = Array.from({ length: count }, (_, i) => post * count + i).filter((row) => mask.data[row] === 1);
    counts.add(standing.map((row) => nearest(rows, row, centroids)));
  }
}
