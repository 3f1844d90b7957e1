import * as tf from '@tensorflow/tfjs';
import {
  assertShape,
  named,
  type Features,
  type HostTree,
  type PerPost,
  type Random,
  type TensorTree,
} from '@drf/tensor';
import { applyLinear, initializeLinear, type LinearParameters } from '@drf/converters';
import type { MethodShapes } from './method.js';

/**
 * Linear projections of encoder outputs to `dim`, where their width is another: `imageProjection`, `textProjection`.
 */
export function initializeProjections(random: Random, shapes: MethodShapes, dim: number): HostTree {
  const { imageDim, textDim } = shapes;
  return {
    ...(imageDim === dim ? {} : { imageProjection: initializeLinear(random.fork('imageProjection'), imageDim, dim) }),
    ...(textDim === dim ? {} : { textProjection: initializeLinear(random.fork('textProjection'), textDim, dim) }),
  };
}

/**
 * A modality's features as the method sees them: rows of missing posts set to zero (so that nothing of them, not even
 * NaN, goes on), then projected if the tree has a projection. [batch, width] → [batch, dim]
 */
export function projectFeatures(
  parameters: TensorTree,
  modality: 'image' | 'text',
  features: tf.Tensor,
  available: PerPost,
): Features {
  assertShape(`${modality} availability`, available, [features.shape[0] as number]);
  const present = tf.where(tf.expandDims(tf.greater(available, 0), 1), features, tf.zerosLike(features));
  const projection = parameters[`${modality}Projection`] as LinearParameters | undefined;
  if (projection === undefined) return named(present, ['batch', 'dim']);
  const width = projection.kernel.shape[0] as number;
  assertShape(`${modality} features`, features, ['*', width], "check the encoder's outputDim");
  return named(applyLinear(projection, present), ['batch', 'dim']); // [batch, width] × [width, dim] → [batch, dim]
}
