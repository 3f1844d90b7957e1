import * as tf from '@tensorflow/tfjs';
import { classify } from '@drf/fusion';
import {
  applyLinear,
  applyNorm,
  attendWithContext,
  crossEntropy,
  initializeContextAttention,
  initializeLinear,
  initializeNorm,
  softCrossEntropy,
  type ContextAttentionParameters,
  type LinearParameters,
  type NormParameters,
  type Sequence,
} from '@drf/layers';
import { named, type Features, type HostTree, type PerPost, type Random, type TensorTree } from '@drf/tensor';
import { postWeights } from '@drf/model';
import type { BatchInputs, LossResult, Method, MethodShapes, Prediction } from '@drf/model';
import { toPrediction } from '../finish.js';
import { COMPARED_NEEDS, initializeSequences, modalitySequence } from '../tokens.js';
import { COMPARED_NORM } from '../transformer.js';
import { calibratedTargets, centroidRestraint } from './calibration.js';
import { CentroidMemory, type CentroidInputs } from './centroid-memory.js';
import { maskedSparsemax } from './sparsemax.js';

/** Sizes and loss factors of MVCN. */
export interface MvcnConfig {
  readonly dim: number;
  /** Factor of the restraint to class centroids. */
  readonly restraintScale: number;
  /** How far a label of uncertainty 1 moves, 0 … 1. */
  readonly calibration: number;
}

type MvcnParameters = {
  readonly query: LinearParameters;
  readonly key: LinearParameters;
  readonly value: LinearParameters;
  readonly norm: NormParameters;
  readonly fusedPooling: ContextAttentionParameters;
  readonly textPooling: ContextAttentionParameters;
  readonly imagePooling: ContextAttentionParameters;
  readonly textClassifier: LinearParameters;
  readonly imageClassifier: LinearParameters;
  readonly hidden: LinearParameters;
  readonly classifier: LinearParameters;
};

type Forward = {
  readonly prediction: Prediction;
  /** [batch, dim] */
  readonly fused: Features;
  readonly text: Features;
  readonly image: Features;
};

/**
 * MVCN: a multi-view calibration network. Three views of the gap between modalities: each word asks the image by sparse
 * attention, which gives places without use exactly no weight; both modalities' features are drawn to the centroid of
 * their class; and a label that image and text contradict counts less.
 * Source: Wei et al., "Tackling modality heterogeneity with multi-view calibration network for multimodal sentiment
 * detection" (ACL 2023). Deviations: written from its abstract and descriptions by others, as its equations were not at
 * hand: sparsemax is the sparse attention, a moving average of fused features the centroids, and the divergence of the
 * modalities' own predictions the uncertainty of a label.
 */
export function createMvcn(config: MvcnConfig, shapes: MethodShapes): Method {
  return {
    id: 'mvcn',
    needs: COMPARED_NEEDS,
    initialParameters: (random) => initialParameters(config, shapes, random),
    createMemory: () => new CentroidMemory(shapes.classes, config.dim),
    predict: (tree, batch) => forward(config, tree, batch).prediction,
    loss: (tree, batch, labels, memory) => mvcnLoss(config, tree, batch, labels, memory as CentroidInputs),
  };
}

function initialParameters({ dim }: MvcnConfig, shapes: MethodShapes, random: Random): HostTree {
  const layer = (name: string, outputs = dim) => initializeLinear(random.fork(name), dim, outputs);
  const pooling = (name: string) => initializeContextAttention(random.fork(name), dim, false);
  return {
    ...initializeSequences(random, shapes, dim),
    query: layer('query'),
    key: layer('key'),
    value: layer('value'),
    norm: initializeNorm(dim),
    fusedPooling: pooling('fusedPooling'),
    textPooling: pooling('textPooling'),
    imagePooling: pooling('imagePooling'),
    textClassifier: layer('textClassifier', shapes.classes),
    imageClassifier: layer('imageClassifier', shapes.classes),
    hidden: initializeLinear(random.fork('hidden'), 3 * dim, dim),
    classifier: layer('classifier', shapes.classes),
  };
}

/** Text-guided fusion: every word piece asks the places of the image. */
function guidedFusion(
  { query, key, value, norm }: MvcnParameters,
  text: Sequence,
  image: Sequence,
): { readonly fused: Sequence; readonly weights: tf.Tensor } {
  const dim = text.states.shape[2] as number;
  const queries = tf.mul(applyLinear(query, text.states), dim ** -0.5);
  const scores = tf.matMul(queries, applyLinear(key, image.states), false, true); // [b, word, place]
  const weights = maskedSparsemax(scores, tf.expandDims(image.mask, 1));
  const read = tf.matMul(weights, applyLinear(value, image.states)); // [b, word, dim]
  const states = named(applyNorm(norm, tf.add(text.states, read), COMPARED_NORM), ['batch', 'token', 'dim']);
  return { fused: { states, mask: text.mask }, weights };
}

function forward(_config: MvcnConfig, tree: TensorTree, batch: BatchInputs): Forward {
  const parameters = tree as MvcnParameters;
  const text = modalitySequence(tree, 'text', batch);
  const image = modalitySequence(tree, 'image', batch);
  const guided = guidedFusion(parameters, text, image);
  const fused = attendWithContext(parameters.fusedPooling, guided.fused).pooled;
  const ofText = attendWithContext(parameters.textPooling, text).pooled;
  const ofImage = attendWithContext(parameters.imagePooling, image).pooled;
  const all = tf.concat([fused, ofText, ofImage], -1); // [batch, 3·dim]
  const hidden = named(tf.relu(applyLinear(parameters.hidden, all)), ['batch', 'dim']);
  const details = { attention: guided.weights };
  return { prediction: toPrediction(classify(parameters.classifier, hidden), details), fused: hidden, text: ofText, image: ofImage }; // prettier-ignore
}

function mvcnLoss(
  config: MvcnConfig,
  tree: TensorTree,
  batch: BatchInputs,
  labels: PerPost,
  memory: CentroidInputs,
): LossResult {
  const parameters = tree as MvcnParameters;
  const { prediction, fused, text, image } = forward(config, tree, batch);
  const imageLogits = classify(parameters.imageClassifier, image);
  const textLogits = classify(parameters.textClassifier, text);
  const own = (logits: typeof imageLogits) => named(tf.softmax(logits, -1), ['batch', 'classes']);
  const targets = calibratedTargets(labels, own(imageLogits), own(textLogits), config.calibration);
  const weights = postWeights(tree, labels);
  const parts = {
    classification: softCrossEntropy(prediction.logits, targets, weights),
    image: crossEntropy(imageLogits, labels, weights),
    text: crossEntropy(textLogits, labels, weights),
    restraint: named(
      tf.add(
        centroidRestraint(image, batch.imageAvailable, labels, memory),
        centroidRestraint(text, batch.textAvailable, labels, memory),
      ),
      [],
    ),
  };
  const modalities = tf.mul(tf.add(parts.image, parts.text), MODALITY_SCALE);
  const restraint = tf.mul(parts.restraint, config.restraintScale);
  return {
    total: named(tf.addN([parts.classification, modalities, restraint]), []),
    parts,
    prediction,
    observations: { features: fused, labels: tf.cast(labels, 'float32') },
  };
}

/** Factor of the losses that train the modalities' own classifiers. */
const MODALITY_SCALE = 0.1;
