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
import { ConfigurationError, hostTensor, named, type Host, type Random } from '@drf/tensor';
import {
  methodOf,
  predictionOf,
  standardized,
  type BatchInputs,
  type ClassWeighted,
  type Method,
  type MethodShapes,
  type Prediction,
  type TokenInputs,
} from '@drf/model';
import {
  COMPARED_NEEDS,
  initializeSequences,
  modalitySequence,
  scaledTokens,
  tokenShape,
  type SequenceParameters,
} from '../tokens.js';
import { poolPlaces } from '../place-bins.js';
import { COMPARED_NORM } from '../transformer.js';
import { emptyGraphs, type GraphSizes, type MeasuredGraphs } from './graphs.js';
import { convolveGraph, imageGraphFeatures, initializeImageGraph, type ImageGraphParameters } from './image-graph.js';
import { SCENE_SIDE } from './graph-source.js';
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
/** Objects and scenes read the text, the text reads both. */
const READINGS = 4;

type MgnnsParameters = SequenceParameters &
  ClassWeighted & {
    readonly trained: {
      readonly text: {
        readonly graph: TextGraphParameters;
        readonly readsObjects: Reading;
        readonly readsScenes: Reading;
      };
      readonly objectReadsText: Reading;
      readonly sceneReadsText: Reading;
      readonly objectGraph: ImageGraphParameters;
      readonly sceneGraph: ImageGraphParameters;
      readonly sceneProjection: LinearParameters;
      readonly fusion: LinearParameters;
      readonly classifier: LinearParameters;
    };
    readonly fixed?: { readonly measured?: { readonly [Name in keyof MeasuredGraphs]: tf.Tensor } };
  };

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
export function createMgnns(
  config: MgnnsConfig,
  shapes: MethodShapes,
  graphs?: MeasuredGraphs,
): Method<MgnnsParameters> {
  return methodOf<MgnnsParameters>('mgnns', COMPARED_NEEDS, {
    initialParameters: (random) => initialParameters(config, shapes, random, graphs),
    predict: (parameters, batch) => predict(config, parameters, batch),
  });
}

function initialParameters(
  { dim, graphs: sizes, form }: MgnnsConfig,
  shapes: MethodShapes,
  random: Random,
  graphs: MeasuredGraphs | undefined,
): Host<MgnnsParameters> {
  const [image, text] = [tokenShape(shapes, 'image'), tokenShape(shapes, 'text')];
  const isAuthors = form === 'authors';
  const reading = (name: string): Host<Reading> => ({
    attention: initializeAttention(random.fork(name), dim),
    norm: initializeNorm(dim),
  });
  const layered = (name: string): Host<Reading> => {
    const own = random.fork(name).fork('hidden');
    const hidden = (layer: string) => initializeLinear(own.fork(layer), dim, dim);
    return {
      ...reading(name),
      hidden1: hidden('hidden1'),
      hidden2: hidden('hidden2'),
      hiddenNorm: initializeNorm(dim),
    };
  };
  const read = (name: string): Host<Reading> =>
    isAuthors ? { ...layered(name), next: layered(`${name} next`) } : reading(name);
  const { words } = sizes;
  const edges = isAuthors
    ? { edges: hostTensor(new Float32Array(words * words).fill(1), [words, words]), otherEdge: hostTensor([1], []) }
    : { keep: hostTensor([0], []) };
  const { trained, fixed } = initializeSequences(random, shapes, dim);
  return {
    trained: {
      ...trained,
      text: {
        ...trained.text,
        graph: {
          projection: initializeLinear(random.fork('textGraph'), text.dim, dim),
          offsets: hostTensor(new Float32Array(sizes.words * dim), [sizes.words, dim]),
          ...edges,
        },
        readsObjects: read('textReadsObjects'),
        readsScenes: read('textReadsScenes'),
      },
      objectGraph: initializeImageGraph(random.fork('objectGraph'), image.dim, dim, shapes.classes),
      sceneGraph: initializeImageGraph(random.fork('sceneGraph'), image.dim, dim, shapes.classes),
      sceneProjection: initializeLinear(random.fork('sceneProjection'), image.dim, dim),
      objectReadsText: read('objectReadsText'),
      sceneReadsText: read('sceneReadsText'),
      fusion: initializeLinear(random.fork('fusion'), READINGS * dim, dim),
      classifier: initializeLinear(random.fork('classifier'), dim, shapes.classes),
    },
    fixed: { ...fixed, measured: graphs ?? emptyGraphs(sizes, { image, text }) },
  };
}

function predict({ heads }: MgnnsConfig, parameters: MgnnsParameters, batch: BatchInputs): Prediction {
  const { trained } = parameters;
  const channels = graphChannels(parameters, batch, heads);
  const words = modalitySequence(parameters, 'text', batch.text);
  const places = modalitySequence(parameters, 'image', batch.image);
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
  const readings = tf.concat(
    [
      readBy(trained.objectReadsText, channels.object, words),
      readBy(trained.sceneReadsText, channels.scene, words),
      readBy(trained.text.readsObjects, channels.text, places),
      readBy(trained.text.readsScenes, channels.text, channels.parts),
    ],
    -1,
  ); // [batch, 4·dim]
  const fused = named(tf.relu(applyLinear(trained.fusion, readings)), ['batch', 'dim']);
  const { object, scene, text } = channels;
  return predictionOf(classify(trained.classifier, fused), { channels: { object, scene, text } });
}

/** What each graph makes of the posts, each [batch, dim], and the images' parts at the method's width. */
function graphChannels(parameters: MgnnsParameters, batch: BatchInputs, heads: number) {
  const { trained, fixed } = parameters;
  const { objectGraph, sceneGraph, sceneProjection } = trained;
  const measured = fixed?.measured;
  if (measured === undefined) throw withoutGraphs();
  const scale = (states: tf.Tensor): tf.Tensor => standardized(states, fixed?.image?.tokenScaling);
  const places = scaledTokens(parameters, 'image', batch.image);
  const parts = poolPlaces(places, SCENE_SIDE);
  const projectedParts = mapStates(parts, (states) => applyLinear(sceneProjection, states));
  const projectedPlaces = mapStates(places, (states) => applyLinear(trained.image.tokenProjection, states));
  const objects = convolveGraph(objectGraph, scale(measured.objectStates), measured.objectEdges);
  const scenes = convolveGraph(sceneGraph, scale(measured.sceneStates), measured.sceneEdges);
  const { mask } = scaledTokens(parameters, 'text', batch.text);
  return {
    text: textGraphFeatures(trained.text.graph, measured, piecesOf(batch.text.tokens), mask),
    object: imageGraphFeatures(objectGraph, objects, projectedPlaces, heads),
    scene: imageGraphFeatures(sceneGraph, scenes, projectedParts, heads),
    parts: projectedParts,
  };
}

function withoutGraphs(): ConfigurationError {
  return new ConfigurationError({ subject: 'MGNNS', expected: 'measured graphs', received: 'none' });
}

function piecesOf(tokens: TokenInputs | undefined): NonNullable<TokenInputs['pieces']> {
  if (tokens?.pieces !== undefined) return tokens.pieces;
  throw new ConfigurationError({
    subject: 'MGNNS',
    expected: 'the numbers of word pieces in text.tokens',
    received: 'none',
    remedy: 'choose a text encoder whose tokens have them',
  });
}
