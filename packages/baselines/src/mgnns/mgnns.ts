import * as tf from '@tensorflow/tfjs';
import { classify } from '@drf/fusion';
import {
  applyAttention,
  applyLinear,
  applyNorm,
  initializeAttention,
  initializeLinear,
  initializeNorm,
  mapStates,
  paddingScores,
  type AttentionParameters,
  type LinearParameters,
  type NormParameters,
  type Sequence,
} from '@drf/layers';
import { ConfigurationError, hostTensor, named, type Features, type HostTree, type Random, type TensorTree } from '@drf/tensor'; // prettier-ignore
import type { BatchInputs, Method, MethodShapes, Prediction, TokenInputs } from '@drf/model';
import type { ScalingParameters } from '@drf/model';
import { classifyingMethod, toPrediction } from '../finish.js';
import { poolPlaces } from '../place-bins.js';
import { initializeSequences, modalitySequence, scaledTokens, tokenShape } from '../tokens.js';
import { COMPARED_NORM } from '../transformer.js';
import { emptyGraphs, type GraphSizes, type MeasuredGraphs } from './graphs.js';
import { convolveGraph, imageGraphFeatures, initializeImageGraph, type ImageGraphParameters } from './image-graph.js';
import { SCENE_SIDE } from './image-parts.js';
import { textGraphFeatures, type TextGraphParameters } from './text-graph.js';

/**
 * How its parts are made, beside their sizes: `authors` as in the authors' public code
 * (github.com/YangXiaocui1215/MGNNS), without its dropout: weights of text edges are learned from 1 on, neighbors lie up
 * to five places away, a node is its largest message, a text the sum of its nodes, and each reading has two layers of
 * attention with a hidden layer. Its image edges are a matter of `graphs.thresholds`.
 */
export type MgnnsForm = 'compact' | 'authors';

/** Sizes of MGNNS. */
export interface MgnnsConfig {
  readonly dim: number;
  /** Attention heads; must divide `dim`. */
  readonly heads: number;
  readonly graphs: GraphSizes;
  /** Default: compact. */
  readonly form?: MgnnsForm;
}

type Reading = {
  readonly attention: AttentionParameters;
  readonly norm: NormParameters;
  /** In the authors' form: what follows the attention, and one more such layer. */
  readonly hidden1?: LinearParameters;
  readonly hidden2?: LinearParameters;
  readonly hiddenNorm?: NormParameters;
  readonly next?: Reading;
};
const READINGS = ['objectReadsText', 'sceneReadsText', 'textReadsObjects', 'textReadsScenes'] as const;

type MgnnsParameters = {
  readonly measured: { readonly [Name in keyof MeasuredGraphs]: tf.Tensor };
  readonly textGraph: TextGraphParameters;
  readonly objectGraph: ImageGraphParameters;
  readonly sceneGraph: ImageGraphParameters;
  readonly sceneProjection: LinearParameters;
  readonly fusion: LinearParameters;
  readonly classifier: LinearParameters;
} & { readonly [Name in (typeof READINGS)[number]]: Reading };

/**
 * MGNNS: multi-channel graph networks with awareness of sentiment. Three graphs hold what occurs together over all
 * training posts: words, objects, scenes. A text is a part of the words' graph; an image is compared with the nodes of
 * the other two after graph convolution. Then text and image question each other by attention with several heads.
 * Source: Yang, Feng, Zhang, Wang, "Multimodal sentiment detection based on multi-channel graph neural networks" (ACL
 * 2021). Deviations: word pieces of the text encoder are the words, clusters of the image's places the objects, clusters
 * of its quarters the scenes, since no detectors of objects and scenes are at hand; a word's node starts from the mean
 * state of the piece instead of GloVe; edges between words stay as measured; one node a token, not one a distinct word;
 * a text is the mean of its nodes, not their sum.
 * @param graphs measured on the training posts; parameters from a checkpoint bring their own
 */
export function createMgnns(config: MgnnsConfig, shapes: MethodShapes, graphs?: MeasuredGraphs): Method {
  return classifyingMethod(
    'mgnns',
    (random) => initialParameters(config, shapes, random, graphs),
    (parameters, batch) => predict(config, parameters, batch),
  );
}

function initialParameters(
  { dim, graphs: sizes, form }: MgnnsConfig,
  shapes: MethodShapes,
  random: Random,
  graphs: MeasuredGraphs | undefined,
): HostTree {
  const [image, text] = [tokenShape(shapes, 'image'), tokenShape(shapes, 'text')];
  const isAuthors = form === 'authors';
  const reading = (name: string): HostTree => ({
    attention: initializeAttention(random.fork(name), dim),
    norm: initializeNorm(dim),
  });
  const layered = (name: string): HostTree => {
    const own = random.fork(name).fork('hidden');
    const hidden = (layer: string) => initializeLinear(own.fork(layer), dim, dim);
    return {
      ...reading(name),
      hidden1: hidden('hidden1'),
      hidden2: hidden('hidden2'),
      hiddenNorm: initializeNorm(dim),
    };
  };
  const read = (name: string): HostTree =>
    isAuthors ? { ...layered(name), next: layered(`${name} next`) } : reading(name);
  const { words } = sizes;
  const edges: HostTree = isAuthors
    ? { edges: hostTensor(new Float32Array(words * words).fill(1), [words, words]), otherEdge: hostTensor([1], []) }
    : { keep: hostTensor([0], []) };
  return {
    ...initializeSequences(random, shapes, dim),
    measured: { ...(graphs ?? emptyGraphs(sizes, { image, text })) },
    textGraph: {
      projection: initializeLinear(random.fork('textGraph'), text.dim, dim),
      offsets: hostTensor(new Float32Array(sizes.words * dim), [sizes.words, dim]),
      ...edges,
    },
    objectGraph: initializeImageGraph(random.fork('objectGraph'), image.dim, dim, shapes.classes),
    sceneGraph: initializeImageGraph(random.fork('sceneGraph'), image.dim, dim, shapes.classes),
    sceneProjection: initializeLinear(random.fork('sceneProjection'), image.dim, dim),
    ...Object.fromEntries(READINGS.map((name) => [name, read(name)])),
    fusion: initializeLinear(random.fork('fusion'), READINGS.length * dim, dim),
    classifier: initializeLinear(random.fork('classifier'), dim, shapes.classes),
  };
}

function predict({ heads }: MgnnsConfig, tree: TensorTree, batch: BatchInputs): Prediction {
  const parameters = tree as MgnnsParameters;
  const channels = graphChannels(parameters, tree, batch, heads);
  const words = modalitySequence(tree, 'text', batch);
  const places = modalitySequence(tree, 'image', batch);
  const readBy = (reading: Reading, query: tf.Tensor, sequence: Sequence): tf.Tensor => {
    const { attention, norm, hidden1, hidden2, hiddenNorm, next } = reading;
    const options = { heads, padding: paddingScores(sequence.mask), recompute: false };
    const answer = applyAttention(attention, tf.expandDims(query, 1), sequence.states, options); // [batch, 1, dim]
    const attended = applyNorm(norm, tf.add(query, tf.squeeze(answer, [1])), COMPARED_NORM);
    if (hidden1 === undefined || hidden2 === undefined || hiddenNorm === undefined) return attended;
    const hidden = applyLinear(hidden2, tf.relu(applyLinear(hidden1, attended)));
    const read = applyNorm(hiddenNorm, tf.add(attended, hidden), COMPARED_NORM);
    return next === undefined ? read : readBy(next, read, sequence);
  };
  const read = (name: (typeof READINGS)[number], query: Features, sequence: Sequence): tf.Tensor =>
    readBy(parameters[name], query, sequence);
  const readings = tf.concat(
    [
      read('objectReadsText', channels.object, words),
      read('sceneReadsText', channels.scene, words),
      read('textReadsObjects', channels.text, places),
      read('textReadsScenes', channels.text, channels.parts),
    ],
    -1,
  ); // [batch, 4·dim]
  const fused = named(tf.relu(applyLinear(parameters.fusion, readings)), ['batch', 'dim']);
  const { object, scene, text } = channels;
  return toPrediction(classify(parameters.classifier, fused), { channels: { object, scene, text } });
}

/** What each graph makes of the posts, each [batch, dim], and the images' parts at the method's width. */
function graphChannels(parameters: MgnnsParameters, tree: TensorTree, batch: BatchInputs, heads: number) {
  const { measured, textGraph, objectGraph, sceneGraph, sceneProjection } = parameters;
  const scaling = tree.imageTokenScaling as ScalingParameters | undefined;
  const scale = (states: tf.Tensor): tf.Tensor =>
    scaling === undefined ? states : tf.mul(tf.sub(states, scaling.mean), scaling.scale);
  const places = scaledTokens(tree, 'image', batch);
  const parts = poolPlaces(places, SCENE_SIDE);
  const projectedParts = mapStates(parts, (states) => applyLinear(sceneProjection, states));
  const placeProjection = tree.imageTokenProjection as LinearParameters;
  const projectedPlaces = mapStates(places, (states) => applyLinear(placeProjection, states));
  const objects = convolveGraph(objectGraph, scale(measured.objectStates), measured.objectEdges);
  const scenes = convolveGraph(sceneGraph, scale(measured.sceneStates), measured.sceneEdges);
  const { mask } = scaledTokens(tree, 'text', batch);
  return {
    text: textGraphFeatures(textGraph, measured, piecesOf(batch.textTokens), mask),
    object: imageGraphFeatures(objectGraph, objects, projectedPlaces, heads),
    scene: imageGraphFeatures(sceneGraph, scenes, projectedParts, heads),
    parts: projectedParts,
  };
}

function piecesOf(tokens: TokenInputs | undefined): NonNullable<TokenInputs['pieces']> {
  if (tokens?.pieces !== undefined) return tokens.pieces;
  throw new ConfigurationError({
    subject: 'MGNNS',
    expected: 'the numbers of word pieces in textTokens',
    received: 'none',
    remedy: 'choose a text encoder whose tokens have them',
  });
}
