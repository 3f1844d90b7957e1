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
import { byModality, named, type ByModality, type Features, type Host, type PerPost, type Random } from '@drf/tensor';
import {
  postWeights,
  predictionOf,
  type BatchInputs,
  type ClassWeighted,
  type LossResult,
  type Method,
  type MethodShapes,
  type Prediction,
} from '@drf/model';
import { COMPARED_NEEDS, initializeSequences, modalitySequence, type SequenceParameters } from '../tokens.js';
import { COMPARED_NORM } from '../transformer.js';
import { calibratedTargets, centroidRestraint } from './calibration.js';
import { CentroidMemory, type CentroidInputs, type CentroidObservations } from './centroid-memory.js';
import { maskedSparsemax } from './sparsemax.js';

/** Sizes and loss factors of MVCN. */
export interface MvcnConfig {
  readonly dim: number;
  /** Factor of the restraint to class centroids. */
  readonly restraintScale: number;
  /** How far a label of uncertainty 1 moves, 0 … 1. */
  readonly calibration: number;
}

type MvcnParameters = SequenceParameters &
  ClassWeighted & {
    readonly trained: ByModality<{
      readonly pooling: ContextAttentionParameters;
      readonly classifier: LinearParameters;
    }> & {
      readonly query: LinearParameters;
      readonly key: LinearParameters;
      readonly value: LinearParameters;
      readonly norm: NormParameters;
      readonly fusedPooling: ContextAttentionParameters;
      readonly hidden: LinearParameters;
      readonly classifier: LinearParameters;
    };
  };

type Forward = {
  readonly prediction: Prediction;
  /** [batch, dim] */
  readonly fused: Features;
  /** Each modality's own, [batch, dim]. */
  readonly own: ByModality<Features>;
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
export function createMvcn(
  config: MvcnConfig,
  shapes: MethodShapes,
): Method<MvcnParameters, CentroidInputs, CentroidObservations> {
  return {
    id: 'mvcn',
    needs: COMPARED_NEEDS,
    initialParameters: (random) => initialParameters(config, shapes, random),
    createMemory: () => new CentroidMemory(shapes.classes, config.dim),
    predict: (parameters, batch) => forward(parameters, batch).prediction,
    loss: (parameters, batch, labels, memory) => mvcnLoss(config, parameters, batch, labels, memory),
  };
}

function initialParameters({ dim }: MvcnConfig, shapes: MethodShapes, random: Random): Host<MvcnParameters> {
  const layer = (name: string, outputs = dim) => initializeLinear(random.fork(name), dim, outputs);
  const pooling = (name: string) => initializeContextAttention(random.fork(name), dim, false);
  const { trained, ...scalings } = initializeSequences(random, shapes, dim);
  return {
    trained: {
      ...byModality((modality) => ({
        ...trained[modality],
        pooling: pooling(`${modality}Pooling`),
        classifier: layer(`${modality}Classifier`, shapes.classes),
      })),
      query: layer('query'),
      key: layer('key'),
      value: layer('value'),
      norm: initializeNorm(dim),
      fusedPooling: pooling('fusedPooling'),
      hidden: initializeLinear(random.fork('hidden'), 3 * dim, dim),
      classifier: layer('classifier', shapes.classes),
    },
    ...scalings,
  };
}

/** Text-guided fusion: every word piece asks the places of the image. */
function guidedFusion(
  { query, key, value, norm }: MvcnParameters['trained'],
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

function forward(parameters: MvcnParameters, batch: BatchInputs): Forward {
  const { trained } = parameters;
  const text = modalitySequence(parameters, 'text', batch.text);
  const image = modalitySequence(parameters, 'image', batch.image);
  const guided = guidedFusion(trained, text, image);
  const fused = attendWithContext(trained.fusedPooling, guided.fused).pooled;
  const ofText = attendWithContext(trained.text.pooling, text).pooled;
  const ofImage = attendWithContext(trained.image.pooling, image).pooled;
  const all = tf.concat([fused, ofText, ofImage], -1); // [batch, 3·dim]
  const hidden = named(tf.relu(applyLinear(trained.hidden, all)), ['batch', 'dim']);
  const prediction = predictionOf(classify(trained.classifier, hidden), { attention: guided.weights });
  return { prediction, fused: hidden, own: { image: ofImage, text: ofText } };
}

function mvcnLoss(
  config: MvcnConfig,
  parameters: MvcnParameters,
  batch: BatchInputs,
  labels: PerPost,
  memory: CentroidInputs,
): LossResult<CentroidObservations> {
  const { prediction, fused, own } = forward(parameters, batch);
  const logits = byModality((modality) => classify(parameters.trained[modality].classifier, own[modality]));
  const said = byModality((modality) => named(tf.softmax(logits[modality], -1), ['batch', 'classes']));
  const targets = calibratedTargets(labels, said.image, said.text, config.calibration);
  const weights = postWeights(parameters, labels);
  const losses = {
    classification: softCrossEntropy(prediction.logits, targets, weights),
    ...byModality((modality) => crossEntropy(logits[modality], labels, weights)),
  };
  const drawn = byModality((modality) => centroidRestraint(own[modality], batch[modality].available, labels, memory));
  const parts = { ...losses, restraint: named(tf.add(drawn.image, drawn.text), []) };
  const modalities = tf.mul(tf.add(parts.image, parts.text), MODALITY_SCALE);
  const restraint = tf.mul(parts.restraint, config.restraintScale);
  return {
    total: named(tf.addN<tf.Tensor>([parts.classification, modalities, restraint]), []),
    parts,
    prediction,
    observations: { features: fused, labels: named(tf.cast(labels, 'float32'), ['batch']) },
  };
}

/** Factor of the losses that train the modalities' own classifiers. */
const MODALITY_SCALE = 0.1;
