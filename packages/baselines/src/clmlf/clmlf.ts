import * as tf from '@tensorflow/tfjs';
import { classify } from '@drf/fusion';
import {
  activate,
  applyLinear,
  attendWithContext,
  crossEntropy,
  initializeContextAttention,
  initializeLinear,
  joinSequences,
  mapStates,
  type ActivationName,
  type ContextAttentionParameters,
  type LinearParameters,
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
} from '@drf/model';
import {
  COMPARED_NEEDS,
  initializeSequences,
  modalitySequence,
  projectTokens,
  tokenShape,
  type SequenceParameters,
} from '../tokens.js';
import { initializeTransformer, transformSequence, type CompactTransformer } from '../transformer.js';
import { AugmentationMemory, HIDDEN_SHARE, hideTokens, type AugmentationInputs } from './augmentation.js';
import { authorsLabelLoss, dataContrastiveLoss, labelContrastiveLoss } from './contrastive-losses.js';

/**
 * How its parts are made, beside their sizes: `authors` as in the authors' public code (github.com/Link-Li/CLMLF), without
 * its dropout: GELU throughout, hidden layers four times as wide, a classifier half as wide, no pooled text feature
 * before the word pieces, contrastive losses over dot products.
 */
export type ClmlfForm = 'compact' | 'authors';

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
  /** Default: compact. */
  readonly form?: ClmlfForm;
  /** Of the augmentation. */
  readonly seed: number;
}

type ClmlfParameters = SequenceParameters &
  ClassWeighted & {
    readonly trained: {
      readonly image: { readonly transformer?: CompactTransformer };
      readonly fusionTransformer: CompactTransformer;
      readonly pooling: ContextAttentionParameters;
      readonly hidden: LinearParameters;
      readonly classifier: LinearParameters;
      readonly original: Projector;
      readonly augmented: Projector;
    };
  };
type Projector = { readonly hidden: LinearParameters; readonly output: LinearParameters };

/** Text and image as sequences at the method's width. */
type Sequences = ByModality<Sequence>;

/**
 * CLMLF: contrastive learning and multi-layer fusion. The image's tokens go through a transformer of their own, then
 * text and image tokens together through the fusion transformer, whose outputs attention pools. Beside classification,
 * two contrastive losses: posts of a label attract each other, and each post must recognize its own augmented view.
 * Source: Li, Xu, Zhu, Zhao, "CLMLF: a contrastive learning and multi-layer fusion method for multimodal sentiment
 * detection" (Findings of NAACL 2022; arXiv 2204.05515). Deviations: hiding tokens stands for back-translation (20 % of
 * the word pieces) and RandAugment (30 % of the places), since frozen features cannot be translated or rotated; vectors
 * are compared by cosine; smaller layers. The form `authors` leaves the first of these alone.
 */
export function createClmlf(config: ClmlfConfig, shapes: MethodShapes): Method<ClmlfParameters, AugmentationInputs> {
  const tokens = Math.max(tokenShape(shapes, 'image').count, tokenShape(shapes, 'text').count);
  return {
    id: 'clmlf',
    needs: COMPARED_NEEDS,
    initialParameters: (random) => initialParameters(config, shapes, random),
    createMemory: () => new AugmentationMemory(config.seed, 2 * tokens),
    predict: (parameters, batch) => {
      const post = fuse(config, parameters, sequencesOf(config, parameters, batch));
      return predictionOf(logitsOf(config, parameters, post.pooled), { attention: post.weights });
    },
    loss: (parameters, batch, labels, memory) => clmlfLoss(config, parameters, batch, labels, memory.chances),
  };
}

function isAuthors({ form }: ClmlfConfig): boolean {
  return form === 'authors';
}

/** Between layers: after input maps, and in hidden layers. */
function activationsOf(config: ClmlfConfig): Readonly<Record<'input' | 'hidden', ActivationName>> {
  if (isAuthors(config)) return { input: 'gelu', hidden: 'gelu' };
  return { input: 'tanh', hidden: 'relu' };
}

function initialParameters(config: ClmlfConfig, shapes: MethodShapes, random: Random): Host<ClmlfParameters> {
  const { dim, imageLayers, fusionLayers } = config;
  const [hiddenFactor, classifierDim] = isAuthors(config) ? [4, Math.max(1, Math.floor(dim / 2))] : [2, dim];
  const { trained, fixed } = sequencesRead(config, initializeSequences(random, shapes, dim));
  const transformer = (name: string, layers: number): Host<CompactTransformer> =>
    initializeTransformer(random.fork(name), dim, layers, hiddenFactor);
  const projector = (name: string): Host<Projector> => ({
    hidden: initializeLinear(random.fork(name).fork('hidden'), dim, dim),
    output: initializeLinear(random.fork(name).fork('output'), dim, dim),
  });
  return {
    trained: {
      image: {
        ...trained.image,
        ...(imageLayers === 0 ? {} : { transformer: transformer('imageTransformer', imageLayers) }),
      },
      text: trained.text,
      fusionTransformer: transformer('fusionTransformer', fusionLayers),
      pooling: initializeContextAttention(random.fork('pooling'), dim, false),
      hidden: initializeLinear(random.fork('hidden'), dim, classifierDim),
      classifier: initializeLinear(random.fork('classifier'), classifierDim, shapes.classes),
      original: projector('original'),
      augmented: projector('augmented'),
    },
    ...(fixed === undefined ? {} : { fixed }),
  };
}

/** What the method reads: in the authors' form no pooled text feature. */
function sequencesRead(config: ClmlfConfig, { trained, fixed }: Host<SequenceParameters>): Host<SequenceParameters> {
  if (!isAuthors(config)) return { trained, fixed };
  const { tokenProjection } = trained.text;
  const { tokenScaling } = fixed?.text ?? {};
  return { trained: { ...trained, text: { tokenProjection } }, fixed: fixed && { ...fixed, text: { tokenScaling } } };
}

function sequencesOf(config: ClmlfConfig, parameters: ClmlfParameters, batch: BatchInputs): Sequences {
  const { input } = activationsOf(config);
  const activated = (sequence: Sequence): Sequence => mapStates(sequence, (states) => activate(input, states));
  const textSequence = isAuthors(config) ? projectTokens : modalitySequence;
  const text = activated(textSequence(parameters, 'text', batch.text));
  return { text, image: activated(modalitySequence(parameters, 'image', batch.image)) };
}

/** Multi-layer fusion: [batch, text + image tokens, dim] → [batch, dim] and the weights of the pooling. */
function fuse(config: ClmlfConfig, { trained }: ClmlfParameters, { text, image }: Sequences) {
  const { fusionTransformer, pooling } = trained;
  const { transformer } = trained.image;
  const apply = (layers: CompactTransformer, sequence: Sequence): Sequence =>
    transformSequence(layers, sequence, config.heads, activationsOf(config).hidden);
  const aligned = transformer === undefined ? image : apply(transformer, image);
  return attendWithContext(pooling, apply(fusionTransformer, joinSequences([text, aligned])));
}

function logitsOf(config: ClmlfConfig, { trained: { hidden, classifier } }: ClmlfParameters, post: tf.Tensor) {
  const activated = activate(activationsOf(config).hidden, applyLinear(hidden, post));
  return classify(classifier, named(activated, ['batch', 'dim']));
}

function clmlfLoss(
  config: ClmlfConfig,
  parameters: ClmlfParameters,
  batch: BatchInputs,
  labels: PerPost,
  chances: AugmentationInputs['chances'],
): LossResult {
  const given = sequencesOf(config, parameters, batch);
  const both = fuse(config, parameters, doubled(given, augment(given, chances)));
  const [post, view] = tf.split(both.pooled, 2, 0) as [Features, Features]; // each [batch, dim]
  const [weights] = tf.split(both.weights, 2, 0) as [tf.Tensor];
  const logits = logitsOf(config, parameters, post);
  const { hidden: activation } = activationsOf(config);
  const [original, augmented] = [
    project(parameters.trained.original, post, activation),
    project(parameters.trained.augmented, view, activation),
  ];
  const labelLoss = isAuthors(config) ? authorsLabelLoss : labelContrastiveLoss;
  const temperature = config.contrastiveTemperature;
  const parts = {
    classification: crossEntropy(logits, labels, postWeights(parameters, labels)),
    labelContrastive: labelLoss(original, labels, temperature),
    dataContrastive: dataContrastiveLoss(original, augmented, temperature, !isAuthors(config)),
  };
  const contrastive = tf.add(parts.labelContrastive, parts.dataContrastive);
  return {
    total: named(tf.add(parts.classification, tf.mul(contrastive, config.contrastiveScale)), []),
    parts,
    prediction: predictionOf(logits, { attention: weights }),
    observations: {},
  };
}

function project({ hidden, output }: Projector, post: tf.Tensor, activation: ActivationName): tf.Tensor {
  return applyLinear(output, activate(activation, applyLinear(hidden, post)));
}

/** The augmented view: some word pieces and some places are hidden. */
function augment({ text, image }: Sequences, chances: tf.Tensor): Sequences {
  const [ofWords, ofPlaces] = tf.split(chances, 2, 1) as [tf.Tensor, tf.Tensor];
  return { text: hideTokens(text, ofWords, HIDDEN_SHARE.word), image: hideTokens(image, ofPlaces, HIDDEN_SHARE.place) };
}

/** Both views as one batch, so that they share every matrix product. [2·batch, token, dim] */
function doubled(original: Sequences, augmented: Sequences): Sequences {
  return byModality((modality) => joinSequences([original[modality], augmented[modality]], 0));
}
