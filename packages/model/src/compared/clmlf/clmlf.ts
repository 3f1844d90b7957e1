import * as tf from '@tensorflow/tfjs';
import { applyLinear, initializeLinear, type LinearParameters } from '@drf/converters';
import { classify, crossEntropy } from '@drf/fusion';
import { named, type Features, type HostTree, type PerPost, type Random, type TensorTree } from '@drf/tensor';
import { postWeights } from '../../class-weights.js';
import type { BatchInputs, LossResult, Method, MethodShapes } from '../../method.js';
import { attendWithContext, initializeContextAttention, type ContextAttentionParameters } from '../attention.js';
import { toPrediction } from '../finish.js';
import { COMPARED_NEEDS, initializeSequences, joinSequences, modalitySequence, tokenShape, type Sequence } from '../tokens.js'; // prettier-ignore
import { applyTransformer, initializeTransformer } from '../transformer.js';
import { AugmentationMemory, HIDDEN_SHARE, hideTokens } from './augmentation.js';
import { dataContrastiveLoss, labelContrastiveLoss } from './contrastive-losses.js';

/** Sizes and loss factors of CLMLF. */
export interface ClmlfConfig {
  readonly dim: number;
  /** Attention heads; must divide `dim`. */
  readonly heads: number;
  readonly imageLayers: number;
  readonly fusionLayers: number;
  /** Factor of both contrastive losses. */
  readonly contrastiveScale: number;
  readonly contrastiveTemperature: number;
  /** Of the augmentation. */
  readonly seed: number;
}

type ClmlfParameters = {
  readonly imageTransformer?: TensorTree;
  readonly fusionTransformer: TensorTree;
  readonly pooling: ContextAttentionParameters;
  readonly hidden: LinearParameters;
  readonly classifier: LinearParameters;
  readonly original: Projector;
  readonly augmented: Projector;
};
type Projector = { readonly hidden: LinearParameters; readonly output: LinearParameters };

/** Text and image as sequences at the method's width. */
type Sequences = { readonly text: Sequence; readonly image: Sequence };

/**
 * CLMLF: contrastive learning and multi-layer fusion. The image's tokens go through a transformer of their own, then
 * text and image tokens together through the fusion transformer, whose outputs attention pools. Beside classification,
 * two contrastive losses: posts of a label attract each other, and each post must recognize its own augmented view.
 * Source: Li, Xu, Zhu, Zhao, "CLMLF: a contrastive learning and multi-layer fusion method for multimodal sentiment
 * detection" (Findings of NAACL 2022; arXiv 2204.05515). Deviations: hiding tokens stands for back-translation (20 % of
 * the word pieces) and RandAugment (30 % of the places), since frozen features cannot be translated or rotated; vectors
 * are compared by cosine; smaller layers.
 */
export function createClmlf(config: ClmlfConfig, shapes: MethodShapes): Method {
  const tokens = Math.max(tokenShape(shapes, 'image').count, tokenShape(shapes, 'text').count);
  return {
    id: 'clmlf',
    needs: COMPARED_NEEDS,
    initialParameters: (random) => initialParameters(config, shapes, random),
    createMemory: () => new AugmentationMemory(config.seed, 2 * tokens),
    predict: (tree, batch) => {
      const post = fuse(config, tree, sequencesOf(tree, batch));
      return toPrediction(logitsOf(tree as ClmlfParameters, post.pooled), { attention: post.weights });
    },
    loss: (tree, batch, labels, memory) => clmlfLoss(config, tree, batch, labels, memory.chances as tf.Tensor),
  };
}

function initialParameters(config: ClmlfConfig, shapes: MethodShapes, random: Random): HostTree {
  const { dim, imageLayers, fusionLayers } = config;
  const projector = (name: string): HostTree => ({
    hidden: initializeLinear(random.fork(name).fork('hidden'), dim, dim),
    output: initializeLinear(random.fork(name).fork('output'), dim, dim),
  });
  return {
    ...initializeSequences(random, shapes, dim),
    ...(imageLayers === 0
      ? {}
      : { imageTransformer: initializeTransformer(random.fork('imageTransformer'), dim, imageLayers) }),
    fusionTransformer: initializeTransformer(random.fork('fusionTransformer'), dim, fusionLayers),
    pooling: initializeContextAttention(random.fork('pooling'), dim, false),
    hidden: initializeLinear(random.fork('hidden'), dim, dim),
    classifier: initializeLinear(random.fork('classifier'), dim, shapes.classes),
    original: projector('original'),
    augmented: projector('augmented'),
  };
}

function sequencesOf(tree: TensorTree, batch: BatchInputs): Sequences {
  const activated = ({ states, mask }: Sequence): Sequence => ({
    states: named(tf.tanh(states), ['batch', 'token', 'dim']),
    mask,
  });
  return {
    text: activated(modalitySequence(tree, 'text', batch)),
    image: activated(modalitySequence(tree, 'image', batch)),
  };
}

/** Multi-layer fusion: [batch, text + image tokens, dim] → [batch, dim] and the weights of the pooling. */
function fuse({ heads }: ClmlfConfig, tree: TensorTree, { text, image }: Sequences) {
  const { imageTransformer, fusionTransformer, pooling } = tree as ClmlfParameters;
  const aligned = imageTransformer === undefined ? image : applyTransformer(imageTransformer, image, heads);
  return attendWithContext(pooling, applyTransformer(fusionTransformer, joinSequences([text, aligned]), heads));
}

function logitsOf({ hidden, classifier }: ClmlfParameters, post: tf.Tensor) {
  return classify(classifier, named(tf.relu(applyLinear(hidden, post)), ['batch', 'dim']));
}

function clmlfLoss(
  config: ClmlfConfig,
  tree: TensorTree,
  batch: BatchInputs,
  labels: PerPost,
  chances: tf.Tensor,
): LossResult {
  const parameters = tree as ClmlfParameters;
  const sequences = sequencesOf(tree, batch);
  const both = fuse(config, tree, doubled(sequences, augment(sequences, chances)));
  const [post, view] = tf.split(both.pooled as tf.Tensor, 2, 0) as [Features, Features]; // each [batch, dim]
  const [weights] = tf.split(both.weights as tf.Tensor, 2, 0) as [tf.Tensor];
  const logits = logitsOf(parameters, post);
  const original = project(parameters.original, post);
  const parts = {
    classification: crossEntropy(logits, labels, postWeights(tree, labels)),
    labelContrastive: labelContrastiveLoss(original, labels, config.contrastiveTemperature),
    dataContrastive: dataContrastiveLoss(original, project(parameters.augmented, view), config.contrastiveTemperature),
  };
  const contrastive = tf.add(parts.labelContrastive, parts.dataContrastive);
  return {
    total: named(tf.add(parts.classification, tf.mul(contrastive, config.contrastiveScale)), []),
    parts,
    prediction: toPrediction(logits, { attention: weights }),
    observations: {},
  };
}

function project({ hidden, output }: Projector, post: tf.Tensor): tf.Tensor {
  return applyLinear(output, tf.relu(applyLinear(hidden, post)));
}

/** The augmented view: some word pieces and some places are hidden. */
function augment({ text, image }: Sequences, chances: tf.Tensor): Sequences {
  const [ofWords, ofPlaces] = tf.split(chances, 2, 1) as [tf.Tensor, tf.Tensor];
  return {
    text: hideTokens(text, ofWords, HIDDEN_SHARE.word),
    image: hideTokens(image, ofPlaces, HIDDEN_SHARE.place),
  };
}

/** Both views as one batch, so that they share every matrix product. [2·batch, token, dim] */
function doubled(original: Sequences, augmented: Sequences): Sequences {
  const join = (name: 'text' | 'image'): Sequence => ({
    states: named(tf.concat([original[name].states, augmented[name].states], 0), ['batch', 'token', 'dim']),
    mask: named(tf.concat([original[name].mask, augmented[name].mask], 0), ['batch', 'token']),
  });
  return { text: join('text'), image: join('image') };
}
