import { hostTensor, sizeOf, unflattenTree, type HostTensor, type HostTree, type Random } from '@drf/tensor';
import { swapAxes } from './swap-axes.js';

/**
 * How a tensor lies in a file, seen from ours: `same`: the same numbers in the same order, whatever the shape;
 * `transposed`: [out, in] for our [in, out]; `patches`: a convolution's [out, channel, height, width] for our
 * [height · width · channel, out].
 */
export type FileLayout = 'same' | 'transposed' | 'patches';

/** One parameter of an encoder: what it is called here and in a Hugging Face file, and what it is at first. */
export interface Weight {
  /** Flat name in the parameter tree. */
  readonly name: string;
  /** Name in the file, without the prefix of models with a head. */
  readonly fileName: string;
  readonly shape: readonly number[];
  readonly fileShape: readonly number[];
  readonly layout: FileLayout;
  readonly initial: 'normal' | 'zeros' | 'ones';
}

/** Linear map: kernel [in, out] ← weight [out, in], and bias. */
export function linearWeights(name: string, fileName: string, inputs: number, outputs: number, bias = true): Weight[] {
  const kernel: Weight = {
    name: `${name}.kernel`,
    fileName: `${fileName}.weight`,
    shape: [inputs, outputs],
    fileShape: [outputs, inputs],
    layout: 'transposed',
    initial: 'normal',
  };
  return bias ? [kernel, vector(`${name}.bias`, `${fileName}.bias`, outputs, 'zeros')] : [kernel];
}

/** Layer normalization: scale ← weight, and bias. */
export function normWeights(name: string, fileName: string, width: number): Weight[] {
  return [
    vector(`${name}.scale`, `${fileName}.weight`, width, 'ones'),
    vector(`${name}.bias`, `${fileName}.bias`, width, 'zeros'),
  ];
}

/** A table [rows, width]; in the file it may have leading axes of size 1. */
export function tableWeight(name: string, fileName: string, shape: readonly number[], fileShape = shape): Weight {
  return { name, fileName, shape, fileShape, layout: 'same', initial: 'normal' };
}

function vector(name: string, fileName: string, width: number, initial: Weight['initial']): Weight {
  return { name, fileName, shape: [width], fileShape: [width], layout: 'same', initial };
}

/** A tensor of a file as ours. */
export function fromFile({ shape, fileShape, layout }: Weight, tensor: HostTensor): HostTensor {
  if (layout === 'same') return hostTensor(tensor.data, shape);
  const order = layout === 'transposed' ? [1, 0] : [2, 3, 1, 0]; // [out, channel, y, x] → [y, x, channel, out]
  return hostTensor(swapAxes(tensor.data, fileShape, order), shape);
}

/** Ours as a tensor of a file; the inverse of {@link fromFile}. */
export function toFile({ fileShape, layout }: Weight, tensor: HostTensor): HostTensor {
  if (layout === 'same') return hostTensor(tensor.data, fileShape);
  if (layout === 'transposed') {
    return hostTensor(swapAxes(tensor.data, tensor.shape, [1, 0]), fileShape);
  }
  const [outputs, channels, height, width] = fileShape as [number, number, number, number];
  return hostTensor(swapAxes(tensor.data, [height, width, channels, outputs], [3, 2, 0, 1]), fileShape);
}

/**
 * Fresh parameters: normal with a standard deviation for maps and tables, zeros for biases, ones for scales. Each
 * depends on the stream's seed and its own name only.
 */
export function initializeWeights(random: Random, weights: readonly Weight[], deviation: number): HostTree {
  return unflattenTree(
    weights.map((weight) => [weight.name, hostTensor(initialValues(random, weight, deviation), weight.shape)] as const),
  );
}

function initialValues(random: Random, { name, shape, initial }: Weight, deviation: number): Float32Array {
  const values = new Float32Array(sizeOf(shape));
  if (initial === 'ones') return values.fill(1);
  if (initial === 'zeros') return values;
  const stream = random.fork(name);
  return values.map(() => deviation * stream.normal());
}
