import * as tf from '@tensorflow/tfjs';
import { assertShape, type Host, type Random } from '@drf/tensor';
import { applyLinear, initializeLinear, type LinearParameters } from '@drf/layers';

/** Parameters of C: hidden [dim, hidden], output [hidden, dim]. */
export type ConverterParameters = { readonly hidden: LinearParameters; readonly output: LinearParameters };

/**
 * The modality converter C (Eq. 4, 5): a two-layer network, linear → relu → linear, that predicts the other
 * modality's feature from this one's.
 * @param hidden width of the hidden layer; the paper's golden values use `dim`
 */
export function initializeConverter(random: Random, dim: number, hidden: number = dim): Host<ConverterParameters> {
  return {
    hidden: initializeLinear(random.fork('hidden'), dim, hidden),
    output: initializeLinear(random.fork('output'), hidden, dim),
  };
}

/** C(f): [rows, dim] → [rows, dim]. @throws ShapeMismatchError when the width is not the converter's. */
export function applyConverter(parameters: ConverterParameters, features: tf.Tensor): tf.Tensor {
  assertShape('applyConverter', features, ['*', parameters.hidden.kernel.shape[0]]);
  const hidden = tf.relu(applyLinear(parameters.hidden, features)); // [rows, dim] × [dim, hidden] → [rows, hidden]
  return applyLinear(parameters.output, hidden); // [rows, hidden] × [hidden, dim] → [rows, dim]
}
