import type * as tf from '@tensorflow/tfjs';
import { flattenTree, unflattenTree, type HostTensor, type HostTree, type TensorTree } from '@drf/tensor';
import type { Leaf } from '../trace/trace.js';

/** Leaves that are inputs of a graph: only their shapes matter. */
export function inputLeaves(tree: HostTree, prefix: string): [string, Leaf][] {
  return [...flattenTree<HostTensor>(tree)].map(([name, { shape, dtype }]) => [prefix + name, { shape, dtype }]);
}

/** Leaves whose numbers become part of a graph. */
export function constantLeaves(tree: HostTree, prefix: string): [string, Leaf][] {
  return [...flattenTree<HostTensor>(tree)].map(([name, leaf]) => [prefix + name, leaf]);
}

/** The tree of the tensors whose names have a prefix, which is taken off. */
export function subtree(tensors: ReadonlyMap<string, tf.Tensor>, prefix: string): TensorTree {
  const own = [...tensors].filter(([name]) => name.startsWith(prefix));
  return unflattenTree(own.map(([name, tensor]) => [name.slice(prefix.length), tensor] as const));
}
