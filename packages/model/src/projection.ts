import * as tf from '@tensorflow/tfjs';
import {
  assertShape,
  hostTensor,
  named,
  type Features,
  type HostTree,
  type PerPost,
  type Random,
  type TensorTree,
} from '@drf/tensor';
import { safeNorm } from '@drf/distribution';
import { applyLinear, initializeLinear, type LinearParameters } from '@drf/layers';
import type { FeatureMoments, MethodShapes } from './method.js';

/** What may be done to features in the shared space: nothing, or a scale to Euclidean norm 1. */
export const FEATURE_NORMS = ['none', 'unit'] as const;
/** One of {@link FEATURE_NORMS}. */
export type FeatureNorm = (typeof FEATURE_NORMS)[number];

/** What scales a modality's encoder outputs; part of the parameters, but not trained. Both [width]. */
export type ScalingParameters = { readonly mean: tf.Tensor; readonly scale: tf.Tensor };

/** Deviations below this share of their mean are taken for it: a feature that hardly varies must not be blown up. */
const SMALLEST_DEVIATION = 0.1;

/** Mean and inverse deviation as parameters. */
export function scalingOf({ mean, std }: FeatureMoments): HostTree {
  const floor = Math.max(1e-6, (SMALLEST_DEVIATION * std.reduce((sum, value) => sum + value, 0)) / std.length);
  const scale = std.map((value) => 1 / Math.max(value, floor));
  return { mean: hostTensor(mean.slice(), [mean.length]), scale: hostTensor(scale, [scale.length]) };
}

/**
 * What stands between encoder outputs and the method's feature space: `imageScaling` and `textScaling` where features
 * are standardized, and linear projections to `dim` where their width is another: `imageProjection`, `textProjection`.
 */
export function initializeProjections(random: Random, shapes: MethodShapes, dim: number): HostTree {
  const { imageDim, textDim, standardization } = shapes;
  return {
    ...(standardization === undefined
      ? {}
      : { imageScaling: scalingOf(standardization.image), textScaling: scalingOf(standardization.text) }),
    ...(imageDim === dim ? {} : { imageProjection: initializeLinear(random.fork('imageProjection'), imageDim, dim) }),
    ...(textDim === dim ? {} : { textProjection: initializeLinear(random.fork('textProjection'), textDim, dim) }),
  };
}

/**
 * A modality's features as the method sees them: standardized if the tree says how, rows of missing posts set to zero
 * (so that nothing of them, not even NaN, goes on), projected if the tree has a projection, then scaled to unit norm if
 * asked for. [batch, width] → [batch, dim]
 */
export function projectFeatures(
  parameters: TensorTree,
  modality: 'image' | 'text',
  features: tf.Tensor,
  available: PerPost,
  norm: FeatureNorm = 'none',
): Features {
  assertShape(`${modality} availability`, available, [features.shape[0]]);
  const scaling = parameters[`${modality}Scaling`] as ScalingParameters | undefined;
  const scaled = scaling === undefined ? features : tf.mul(tf.sub(features, scaling.mean), scaling.scale);
  const present = tf.where(tf.expandDims(tf.greater(available, 0), 1), scaled, tf.zerosLike(features));
  const projection = parameters[`${modality}Projection`] as LinearParameters | undefined;
  if (projection === undefined) return normed(present, norm);
  const width = projection.kernel.shape[0];
  assertShape(`${modality} features`, features, ['*', width], "check the encoder's outputDim");
  return normed(applyLinear(projection, present), norm); // [batch, width] × [width, dim] → [batch, dim]
}

/** Rows shorter than this stay short: a row of zeros has no direction. */
const SHORTEST = 1e-6;

/** [batch, dim] → [batch, dim] */
function normed(features: tf.Tensor, norm: FeatureNorm): Features {
  if (norm === 'none') return named(features, ['batch', 'dim']);
  const lengths = tf.maximum(tf.expandDims(safeNorm(features), 1), SHORTEST); // [batch, 1]
  return named(tf.div(features, lengths), ['batch', 'dim']);
}
