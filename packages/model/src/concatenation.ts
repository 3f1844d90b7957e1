import * as tf from '@tensorflow/tfjs';
import { classify } from '@drf/fusion';
import { applyLinear, initializeLinear, type LinearParameters } from '@drf/layers';
import { byModality, named } from '@drf/tensor';
import {
  methodOf,
  predictionOf,
  type BatchInputs,
  type ClassWeighted,
  type Method,
  type MethodShapes,
  type Prediction,
} from './method.js';
import { initializeProjections, projectFeatures, type FeatureNorm, type ProjectionParameters } from './projection.js';

type ConcatenationParameters = ProjectionParameters &
  ClassWeighted & { readonly trained: { readonly hidden: LinearParameters; readonly classifier: LinearParameters } };

/**
 * Plain concatenation, the simplest method to compare with: both features (zeros where missing) side by side, one
 * hidden layer, classifier.
 */
export function createConcatenation(
  config: { readonly dim: number; readonly featureNorm?: FeatureNorm },
  shapes: MethodShapes,
): Method<ConcatenationParameters> {
  const predict = (parameters: ConcatenationParameters, batch: BatchInputs): Prediction => {
    const { hidden, classifier } = parameters.trained;
    const features = byModality((modality) => projectFeatures(parameters, modality, batch[modality], config.featureNorm)); // prettier-ignore
    // the projection's bias off, too
    const present = byModality((modality) => tf.mul(features[modality], tf.expandDims(batch[modality].available, 1)));
    const both = tf.concat([present.image, present.text], -1); // [batch, 2·dim]
    const activated = tf.relu(applyLinear(hidden, both)); // [batch, 2·dim] × [2·dim, dim] → [batch, dim]
    return predictionOf(classify(classifier, named(activated, ['batch', 'dim'])));
  };
  return methodOf<ConcatenationParameters>('concatenation', undefined, {
    initialParameters: (random) => {
      const { trained, ...scalings } = initializeProjections(random, shapes, config.dim);
      const hidden = initializeLinear(random.fork('hidden'), 2 * config.dim, config.dim);
      const classifier = initializeLinear(random.fork('classifier'), config.dim, shapes.classes);
      return { trained: { ...trained, hidden, classifier }, ...scalings };
    },
    predict,
  });
}
