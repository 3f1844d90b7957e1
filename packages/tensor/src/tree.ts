import type * as tf from '@tensorflow/tfjs';
import { ConfigurationError, refuser } from './errors.js';
import type { HostTensor } from './host.js';
import type { Named, NamedHost } from './named.js';

/** A nested record of leaves, such as a model's parameters: `{ fusion: { layer1: { kernel, bias } } }`. */
export interface Tree<Leaf> {
  readonly [name: string]: Leaf | Tree<Leaf>;
}

/** A tree of tfjs tensors: what pure functions take and give. */
export type TensorTree = Tree<tf.Tensor>;
/** A tree of numbers outside any engine: what checkpoints hold. */
export type HostTree = Tree<HostTensor>;

/** The same tree with every tfjs tensor replaced by its numbers; named axes keep their names. */
export type Host<T> =
  T extends Named<infer Axes>
    ? NamedHost<Axes>
    : T extends tf.Tensor
      ? HostTensor
      : { readonly [Name in keyof T]: Host<T[Name]> };

type AnyLeaf = tf.Tensor | HostTensor;

function isLeaf<Leaf>(value: Leaf | Tree<Leaf>): value is Leaf {
  return typeof value !== 'object' || value === null || ('shape' in value && 'dtype' in value);
}

/**
 * Leaves by flat name, in a stable order: names sorted at every level, joined by dots
 * (`fusion.layer1.kernel`). The inverse of {@link unflattenTree}.
 * @throws ConfigurationError when a name holds a dot.
 */
export function flattenTree<Leaf>(tree: Tree<Leaf>): Map<string, Leaf> {
  const leaves = new Map<string, Leaf>();
  const walk = (node: Tree<Leaf>, prefix: string): void => {
    for (const name of Object.keys(node).sort()) {
      if (name.includes('.')) {
        throw new ConfigurationError({ subject: 'flattenTree', expected: 'names without dots', received: `"${name}"` });
      }
      const value = node[name];
      if (value === undefined) continue; // an optional branch or leaf that is left out
      if (isLeaf(value)) leaves.set(prefix + name, value);
      else walk(value, `${prefix}${name}.`);
    }
  };
  walk(tree, '');
  return leaves;
}

/**
 * Rebuilds a tree from flat names, which may come from a file.
 * @throws ConfigurationError when a name is both a leaf and a branch, or holds `__proto__`.
 */
export function unflattenTree<Leaf>(leaves: Iterable<readonly [string, Leaf]>): Tree<Leaf> {
  type Node = { [name: string]: Leaf | Node };
  const root: Node = {};
  for (const [flatName, leaf] of leaves) {
    const path = flatName.split('.');
    if (path.includes('__proto__')) throw unsafe(flatName); // would reach the prototype of all objects
    const last = path.pop() as string;
    let node = root;
    for (const name of path) {
      if (!Object.hasOwn(node, name)) node[name] = {};
      const next = node[name];
      if (isLeaf(next as Leaf | Tree<Leaf>)) throw clash(flatName);
      node = next as Node;
    }
    if (Object.hasOwn(node, last)) throw clash(flatName);
    node[last] = leaf;
  }
  return root;
}

function clash(flatName: string): ConfigurationError {
  return new ConfigurationError({
    subject: 'unflattenTree',
    expected: 'each name once, as a leaf or as a branch',
    received: `"${flatName}" twice`,
  });
}

function unsafe(flatName: string): ConfigurationError {
  return refuser(ConfigurationError, 'unflattenTree')('names other than __proto__', `"${flatName}"`);
}

/** Applies a function to every leaf; the shape of the tree stays. */
export function mapTree<In extends AnyLeaf, Out>(
  tree: Tree<In>,
  transform: (leaf: In, flatName: string) => Out,
): Tree<Out> {
  return unflattenTree([...flattenTree(tree)].map(([name, leaf]) => [name, transform(leaf, name)] as const));
}

/**
 * The same tree with other leaves, given by flat name: what a function of flat leaves takes back to its structure.
 * @throws ConfigurationError when a leaf is missing
 */
export function withLeaves<T extends Tree<Leaf>, Leaf>(tree: T, leaves: ReadonlyMap<string, Leaf>): T {
  const named = [...flattenTree<Leaf>(tree).keys()].map((name) => {
    const leaf = leaves.get(name);
    if (leaf === undefined) {
      throw new ConfigurationError({ subject: 'withLeaves', expected: `a leaf ${name}`, received: 'none' });
    }
    return [name, leaf] as const;
  });
  return unflattenTree(named) as T; // the names are those of T
}

/** A tree's leaves in two trees of the same structure: those that belong to the first, and the others. */
export function partitionTree<Leaf>(
  tree: Tree<Leaf>,
  isFirst: (flatName: string, leaf: Leaf) => boolean,
): readonly [Tree<Leaf>, Tree<Leaf>] {
  const leaves = [...flattenTree<Leaf>(tree)];
  const part = (first: boolean): Tree<Leaf> =>
    unflattenTree(leaves.filter(([name, leaf]) => isFirst(name, leaf) === first));
  return [part(true), part(false)];
}

/**
 * The leaves of both trees in one: the inverse of {@link partitionTree}.
 * @throws ConfigurationError when both hold the same leaf
 */
export function mergeTrees<Leaf>(first: Tree<Leaf>, second: Tree<Leaf>): Tree<Leaf> {
  return unflattenTree([...flattenTree<Leaf>(first), ...flattenTree<Leaf>(second)]);
}
