import * as tf from '@tensorflow/tfjs';
import {
  assertShape,
  byModality,
  hostTensor,
  MODALITIES,
  named,
  type ByModality,
  type Features,
  type Host,
  type Modality,
  type Named,
  type Random,
} from '@drf/tensor';
import { safeNorm } from '@drf/distribution';
import { applyLinear, initializeLinear, type LinearParameters } from '@drf/layers';
import type { FeatureMoments, MethodParameters, MethodShapes, ModalityInputs } from './method.js';
import type { FeatureNorm } from './names.js';

export type { FeatureNorm } from './names.js';

/** What scales a modality's encoder outputs. */
export type ScalingParameters = { readonly mean: Named<['width']>; readonly scale: Named<['width']> };

/**
 * What stands between encoder outputs and a method's feature space: linear projections where their width is another,
 * which are trained, and scalings where features are standardized, which are not.
 */
export type ProjectionParameters = MethodParameters<
  Partial<ByModality<{ readonly projection?: LinearParameters }>>,
  Partial<ByModality<{ readonly scaling?: ScalingParameters }>>
>;

/** Deviations below this share of their mean are taken for it: a feature that hardly varies must not be blown up. */
const SMALLEST_DEVIATION = 0.1;

/** Mean and inverse deviation as parameters. */
export function scalingOf({ mean, std }: FeatureMoments): Host<ScalingParameters> {
  const floor = Math.max(1e-6, (SMALLEST_DEVIATION * std.reduce((sum, value) => sum + value, 0)) / std.length);
  const scale = std.map((value) => 1 / Math.max(value, floor));
  return { mean: hostTensor(mean.slice(), [mean.length]), scale: hostTensor(scale, [scale.length]) };
}

/** (x − mean) · scale over the last axis; x itself without a scaling. */
export function standardized(features: tf.Tensor, scaling: ScalingParameters | undefined): tf.Tensor {
  return scaling === undefined ? features : tf.mul(tf.sub(features, scaling.mean), scaling.scale);
}

/** Fresh {@link ProjectionParameters} to a feature space of `dim`. */
export function initializeProjections(random: Random, shapes: MethodShapes, dim: number): Host<ProjectionParameters> {
  const { imageDim, textDim, standardization } = shapes;
  const widths = { image: imageDim, text: textDim };
  const projected = MODALITIES.filter((modality) => widths[modality] !== dim).map((modality) => {
    const projection = initializeLinear(random.fork(`${modality}Projection`), widths[modality], dim);
    return [modality, { projection }] as const;
  });
  return {
    trained: Object.fromEntries(projected),
    ...(standardization === undefined
      ? {}
      : { fixed: byModality((modality) => ({ scaling: scalingOf(standardization[modality]) })) }),
  };
}

/**
 * A modality's features as the method sees them: standardized if the parameters say how, rows of missing posts set to
 * zero (so that nothing of them, not even NaN, goes on), projected if there is a projection, then scaled to unit norm
 * if asked for. [batch, width] → [batch, dim]
 */
export function projectFeatures(
  { trained, fixed }: ProjectionParameters,
  modality: Modality,
  { features, available }: Pick<ModalityInputs, 'features' | 'available'>,
  norm: FeatureNorm = 'none',
): Features {
  assertShape(`${modality} availability`, available, [features.shape[0]]);
  const scaled = standardized(features, fixed?.[modality]?.scaling);
  const present = tf.where(tf.expandDims(tf.greater(available, 0), 1), scaled, tf.zerosLike(features));
  const projection = trained[modality]?.projection;
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
