import { CheckpointError, flattenTree, unflattenTree, type HostTensor, type HostTree } from '@drf/tensor';
import { resolveWeights, type FileNames } from './resolve.js';
import { fromFile, toFile, type Weight } from './weight.js';

/** A parameter tree out of a file's tensors, by an explicit list of names. @throws CheckpointError as resolveWeights */
export function parametersOf(
  tensors: ReadonlyMap<string, HostTensor>,
  weights: readonly Weight[],
  names: FileNames,
  subject: string,
): HostTree {
  const shapes = new Map([...tensors].map(([name, { shape }]) => [name, shape] as const));
  const resolved = resolveWeights(shapes, weights, names, subject);
  const leaves = weights.map((weight) => {
    const fileName = resolved.fileNames.get(weight.name) as string;
    return [weight.name, floatFromFile(weight, tensors.get(fileName) as HostTensor, fileName, subject)] as const;
  });
  return unflattenTree(leaves);
}

/** @throws CheckpointError for whole numbers where a weight was due */
export function floatFromFile(weight: Weight, tensor: HostTensor, fileName: string, subject: string): HostTensor {
  if (tensor.dtype === 'float32') return fromFile(weight, tensor);
  throw new CheckpointError({ subject, expected: `floating-point numbers in "${fileName}"`, received: tensor.dtype });
}

/** The inverse of {@link parametersOf}, without prefix. @throws CheckpointError naming leaves that have no such name */
export function tensorsOf(parameters: HostTree, weights: readonly Weight[], subject: string): Map<string, HostTensor> {
  const leaves = flattenTree(parameters);
  const shapes = new Map([...leaves].map(([name, { shape }]) => [name, shape] as const));
  const own = weights.map((weight) => ({ ...weight, fileName: weight.name, fileShape: weight.shape }));
  resolveWeights(shapes, own, { prefix: '', ignored: /^$/ }, subject);
  return new Map(
    weights.map((weight) => [weight.fileName, toFile(weight, leaves.get(weight.name) as HostTensor)] as const),
  );
}
