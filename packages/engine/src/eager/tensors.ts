import type * as tf from '@tensorflow/tfjs';
import { flattenTree, mapTree, toHost, toTensor, unflattenTree, type Host, type TensorTree } from '@drf/tensor';

/** Copies a host tree into the current backend. */
export function uploadTree<T extends TensorTree>(host: Host<T>): T {
  return mapTree(host, toTensor) as T;
}

/** Copies a tree's numbers out of its backend. */
export async function downloadTree<T extends TensorTree>(tree: T): Promise<Host<T>> {
  const leaves = [...flattenTree<tf.Tensor>(tree)];
  const hosts = await Promise.all(leaves.map(async ([name, tensor]) => [name, await toHost(tensor)] as const));
  return unflattenTree(hosts) as Host<T>;
}

/** Disposes a tree's tensors, each once, but for those of another tree. */
export function disposeTree(tree: TensorTree, except?: TensorTree): void {
  const kept = new Set(except === undefined ? [] : flattenTree<tf.Tensor>(except).values());
  for (const tensor of new Set(flattenTree<tf.Tensor>(tree).values())) {
    if (!kept.has(tensor) && !tensor.isDisposed) tensor.dispose();
  }
}
