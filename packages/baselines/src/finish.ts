import { crossEntropy } from '@drf/layers';
import type { TensorTree } from '@drf/tensor';
import {
  EMPTY_MEMORY,
  postWeights,
  type BatchInputs,
  type ClassWeighted,
  type Method,
  type MethodParameters,
  type Prediction,
} from '@drf/model';
import { COMPARED_NEEDS } from './tokens.js';

/** A method whose loss is cross-entropy and which remembers nothing. */
export function classifyingMethod<P extends MethodParameters<TensorTree> & ClassWeighted>(
  id: string,
  initialParameters: Method<P>['initialParameters'],
  predict: (parameters: P, batch: BatchInputs) => Prediction,
): Method<P> {
  return {
    id,
    needs: COMPARED_NEEDS,
    initialParameters,
    createMemory: () => EMPTY_MEMORY,
    predict,
    loss: (parameters, batch, labels) => {
      const prediction = predict(parameters, batch);
      const total = crossEntropy(prediction.logits, labels, postWeights(parameters, labels));
      return { total, parts: { classification: total }, prediction, observations: {} };
    },
  };
}
