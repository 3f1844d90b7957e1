import * as tf from '@tensorflow/tfjs';
import { flattenTree, unflattenTree, type TensorTree } from '@drf/tensor';

/**
 * Value, gradients by flat parameter name, and whatever else the function made on its way.
 * Tensors in `auxiliary` are kept from tfjs's tidying inside the gradient; the caller owns all results.
 * @param isTrained which parameters get a gradient; the others are constants
 * @param run gives the loss (shape []) and auxiliary tensors
 */
export function valueAndGradients<Auxiliary extends TensorTree>(
  run: (parameters: TensorTree) => { readonly loss: tf.Tensor; readonly auxiliary: Auxiliary },
  parameters: TensorTree,
  isTrained: (flatName: string) => boolean = () => true,
): { loss: tf.Tensor; gradients: Map<string, tf.Tensor>; auxiliary: Auxiliary } {
  const all = [...flattenTree(parameters)];
  const flat = all.filter(([name]) => isTrained(name));
  let auxiliary: Auxiliary | undefined;
  const compute = tf.valueAndGrads((...leaves: tf.Tensor[]) => {
    const trained = new Map(flat.map(([name], i) => [name, leaves[i] as tf.Tensor] as const));
    const tree = unflattenTree(all.map(([name, fixed]) => [name, trained.get(name) ?? fixed] as const));
    const result = run(tree);
    auxiliary = result.auxiliary;
    for (const tensor of flattenTree<tf.Tensor>(auxiliary).values()) tf.keep(tensor);
    return result.loss as tf.Scalar;
  });
  const { value, grads } = compute(flat.map(([, tensor]) => tensor));
  const gradients = new Map(flat.map(([name], i) => [name, grads[i] as tf.Tensor] as const));
  return { loss: value, gradients, auxiliary: auxiliary as Auxiliary };
}
