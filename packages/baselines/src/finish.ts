import * as tf from '@tensorflow/tfjs';
import { crossEntropy } from '@drf/layers';
import { named, type ClassScores, type PerPost, type TensorTree } from '@drf/tensor';
import { postWeights } from '@drf/model';
import { EMPTY_MEMORY, type BatchInputs, type LossResult, type Method, type Prediction } from '@drf/model';
import { COMPARED_NEEDS } from './tokens.js';

/** A prediction of logits [batch, classes] and what a person may want to see beside it. */
export function toPrediction(logits: ClassScores, details: TensorTree): Prediction {
  return { logits, probabilities: named(tf.softmax(logits, -1), ['batch', 'classes']), details };
}

/** A method whose loss is cross-entropy and which remembers nothing. */
export function classifyingMethod(
  id: string,
  initialParameters: Method['initialParameters'],
  predict: (parameters: TensorTree, batch: BatchInputs) => Prediction,
): Method {
  return {
    id,
    needs: COMPARED_NEEDS,
    initialParameters,
    createMemory: () => EMPTY_MEMORY,
    predict,
    loss: (parameters: TensorTree, batch: BatchInputs, labels: PerPost): LossResult => {
      const prediction = predict(parameters, batch);
      const total = crossEntropy(prediction.logits, labels, postWeights(parameters, labels));
      return { total, parts: { classification: total }, prediction, observations: {} };
    },
  };
}
