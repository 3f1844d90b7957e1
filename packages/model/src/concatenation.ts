import * as tf from '@tensorflow/tfjs';
import { classify } from '@drf/fusion';
import { applyLinear, crossEntropy, initializeLinear, type LinearParameters } from '@drf/layers';
import { named, type ClassScores, type TensorTree } from '@drf/tensor';
import { postWeights } from './class-weights.js';
import { EMPTY_MEMORY, type BatchInputs, type Method, type MethodShapes, type Prediction } from './method.js';
import { initializeProjections, projectFeatures, type FeatureNorm } from './projection.js';

type ConcatenationParameters = { readonly hidden: LinearParameters; readonly classifier: LinearParameters };

/**
 * Plain concatenation, the simplest method to compare with: both features (zeros where missing) side by side, one
 * hidden layer, classifier.
 */
export function createConcatenation(
  config: { readonly dim: number; readonly featureNorm?: FeatureNorm },
  shapes: MethodShapes,
): Method {
  const predict = (parameters: TensorTree, batch: BatchInputs): Prediction => {
    const { hidden, classifier } = parameters as ConcatenationParameters;
    const image = projectFeatures(parameters, 'image', batch.image, batch.imageAvailable, config.featureNorm);
    const text = projectFeatures(parameters, 'text', batch.text, batch.textAvailable, config.featureNorm);
    const presentImage = tf.mul(image, tf.expandDims(batch.imageAvailable, 1)); // the projection's bias off, too
    const presentText = tf.mul(text, tf.expandDims(batch.textAvailable, 1));
    const both = tf.concat([presentImage, presentText], -1); // [batch, 2·dim]
    const activated = tf.relu(applyLinear(hidden, both)); // [batch, 2·dim] × [2·dim, dim] → [batch, dim]
    const logits: ClassScores = classify(classifier, named(activated, ['batch', 'dim']));
    return { logits, probabilities: named(tf.softmax(logits, -1), ['batch', 'classes']), details: {} };
  };
  return {
    id: 'concatenation',
    initialParameters: (random) => ({
      ...initializeProjections(random, shapes, config.dim),
      hidden: initializeLinear(random.fork('hidden'), 2 * config.dim, config.dim),
      classifier: initializeLinear(random.fork('classifier'), config.dim, shapes.classes),
    }),
    createMemory: () => EMPTY_MEMORY,
    predict,
    loss: (parameters, batch, labels) => {
      const prediction = predict(parameters, batch);
      const total = crossEntropy(prediction.logits, labels, postWeights(parameters, labels));
      return { total, parts: { classification: total }, prediction, observations: {} };
    },
  };
}
