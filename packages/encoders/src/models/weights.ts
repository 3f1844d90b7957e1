import {
  CheckpointError,
  flattenTree,
  hostTensor,
  type HostTensor,
  type HostTree,
  type Random,
  sizeOf,
  unflattenTree,
} from '@drf/tensor';

/**
 * A copy of row-major numbers with their axes in another order: axis i of the result is axis `order[i]` of the source.
 */
export function swapAxes(
  data: Float32Array | Int32Array,
  shape: readonly number[],
  order: readonly number[],
): Float32Array | Int32Array {
  const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  const sizes = order.map((axis) => shape[axis] as number);
  const steps = order.map((axis) => strides[axis] as number);
  const result = data instanceof Float32Array ? new Float32Array(data.length) : new Int32Array(data.length);
  let position = 0;
  const walk = (axis: number, offset: number): void => {
    const [size, step] = [sizes[axis] as number, steps[axis] as number];
    if (axis === sizes.length - 1) {
      for (let i = 0; i < size; i++) result[position++] = data[offset + i * step] as number;
    } else {
      for (let i = 0; i < size; i++) walk(axis + 1, offset + i * step);
    }
  };
  walk(0, 0);
  return result;
}

/**
 * How a tensor lies in a file, seen from ours: `same`: the same numbers in the same order, whatever the shape;
 * `transposed`: [out, in] for our [in, out]; `patches`: a convolution's [out, channel, height, width] for our
 * [height · width · channel, out].
 */
type FileLayout = 'same' | 'transposed' | 'patches';

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
  /** Where the file's tensor holds several weights of one size along its first axis: which of them, from 0, and of how many. */
  readonly part?: { readonly index: number; readonly of: number };
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
  return bias ? [kernel, vectorWeight(`${name}.bias`, `${fileName}.bias`, outputs, 'zeros')] : [kernel];
}

/**
 * Linear maps whose kernels, and whose biases, lie one after the other in a tensor [maps · out, in] of the file.
 * @param weightName the whole name of the kernels' tensor
 * @param biasName that of the biases; undefined: there are none
 */
export function joinedLinearWeights(
  names: readonly string[],
  [weightName, biasName]: readonly [string, string | undefined],
  inputs: number,
  outputs: number,
): Weight[] {
  const of = names.length;
  return names.flatMap((name, index) =>
    linearWeights(name, '', inputs, outputs, biasName !== undefined).map((weight): Weight => {
      const isKernel = weight.layout === 'transposed';
      return {
        ...weight,
        fileName: isKernel ? weightName : (biasName as string),
        fileShape: isKernel ? [of * outputs, inputs] : [of * outputs],
        part: { index, of },
      };
    }),
  );
}

/** Layer normalization: scale ← weight, and bias where it has one. */
export function normWeights(name: string, fileName: string, width: number, bias = true): Weight[] {
  const scale = vectorWeight(`${name}.scale`, `${fileName}.weight`, width, 'ones');
  return bias ? [scale, vectorWeight(`${name}.bias`, `${fileName}.bias`, width, 'zeros')] : [scale];
}

/** A table [rows, width]; in the file it may have leading axes of size 1. */
export function tableWeight(name: string, fileName: string, shape: readonly number[], fileShape = shape): Weight {
  return { name, fileName, shape, fileShape, layout: 'same', initial: 'normal' };
}

/** A vector of numbers. */
export function vectorWeight(name: string, fileName: string, width: number, initial: Weight['initial']): Weight {
  return { name, fileName, shape: [width], fileShape: [width], layout: 'same', initial };
}

/** A tensor of a file as ours. */
function fromFile(weight: Weight, tensor: HostTensor): HostTensor {
  const { shape, layout } = weight;
  const { data, shape: fileShape } = partOf(weight, tensor);
  if (layout === 'same') return hostTensor(data, shape);
  const order = layout === 'transposed' ? [1, 0] : [2, 3, 1, 0]; // [out, channel, y, x] → [y, x, channel, out]
  return hostTensor(swapAxes(data, fileShape, order), shape);
}

/** A weight's own part of a tensor that holds several. */
function partOf({ part }: Weight, tensor: HostTensor): HostTensor {
  if (part === undefined) return tensor;
  const [rows, ...others] = tensor.shape as [number, ...number[]];
  const size = tensor.data.length / part.of;
  return hostTensor(tensor.data.slice(part.index * size, (part.index + 1) * size), [rows / part.of, ...others]);
}

/** Ours as a tensor of a file; the inverse of {@link fromFile}. */
function toFile({ fileShape: whole, layout, part }: Weight, tensor: HostTensor): HostTensor {
  const [rows, ...others] = whole as [number, ...number[]];
  const fileShape = [rows / (part?.of ?? 1), ...others];
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

type Shape = readonly number[];

/** What a family's files hold beside the encoder. */
export interface FileNames {
  /** Before every name in files of models with a head, such as `bert.`. */
  readonly prefix: string;
  /** Names without the prefix that are known and no part of the encoder: heads, and buffers without parameters. */
  readonly ignored: RegExp;
  /** The tensor by which a file shows that it has the pooler, without the prefix; default `pooler.dense.weight`. */
  readonly pooler?: string;
  /** The name, of those without the prefix, under which a tensor is written; default: itself. */
  readonly written?: (name: string) => string;
}

/** Where each weight is in a file. */
interface ResolvedWeights {
  /** Names in the file by names in the parameter tree. */
  readonly fileNames: ReadonlyMap<string, string>;
  /** Names in the file of what is known to be no part of the encoder. */
  readonly ignored: readonly string[];
}

/** More names than these in one message help nobody. */
const NAMES_SHOWN = 5;

/** A name as transformers writes it today, without the prefix; old files have TensorFlow's names for norms. */
function canonicalName(fileName: string, prefix: string): string {
  const name = fileName.startsWith(prefix) ? fileName.slice(prefix.length) : fileName;
  return name
    .replace(/(LayerNorm|layernorm\w*|_layer_norm)\.gamma$/, '$1.weight')
    .replace(/(LayerNorm|layernorm\w*|_layer_norm)\.beta$/, '$1.bias');
}

/** @throws CheckpointError when two names of a file mean the same */
function byCanonicalName(names: Iterable<string>, prefix: string, subject: string): Map<string, string> {
  const result = new Map<string, string>();
  for (const fileName of names) {
    const name = canonicalName(fileName, prefix);
    const other = result.get(name);
    if (other !== undefined) throw refuse(subject, `one tensor for ${name}`, `"${other}" and "${fileName}"`);
    result.set(name, fileName);
  }
  return result;
}

/** Whether a file has a pooler, with or without the prefix. */
export function hasPooler(names: Iterable<string>, { prefix, pooler = 'pooler.dense.weight' }: FileNames): boolean {
  return [...names].some((name) => canonicalName(name, prefix) === pooler);
}

/**
 * Finds every weight of an encoder among the tensors of a file.
 * @param shapes the file's tensors
 * @param subject the file, as errors name it
 * @throws CheckpointError naming tensors that are missing, of another shape, or unknown
 */
export function resolveWeights(
  shapes: ReadonlyMap<string, Shape>,
  weights: readonly Weight[],
  names: FileNames,
  subject: string,
): ResolvedWeights {
  const present = byCanonicalName(shapes.keys(), names.prefix, subject);
  const missing = [...new Set(weights.map(({ fileName }) => fileName))].filter((name) => !present.has(name));
  const known = new Set(weights.map(({ fileName }) => fileName));
  const others = [...present].filter(([name]) => !known.has(name));
  const surplus = others.filter(([name]) => !names.ignored.test(name)).map(([, fileName]) => fileName);
  if (missing.length > 0) throw missingError(subject, missing, surplus);
  if (surplus.length > 0) throw surplusError(subject, surplus);
  const fileNames = new Map(weights.map(({ name, fileName }) => [name, present.get(fileName) as string] as const));
  for (const weight of weights) {
    const fileName = fileNames.get(weight.name) as string;
    const shape = shapes.get(fileName) as Shape;
    if (String(shape) !== String(weight.fileShape)) throw shapeError(subject, fileName, weight.fileShape, shape);
  }
  return { fileNames, ignored: others.map(([, fileName]) => fileName) };
}

function listed(names: readonly string[]): string {
  const rest = names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : '';
  return `${names.slice(0, NAMES_SHOWN).join(', ')}${rest}`;
}

function missingError(subject: string, missing: readonly string[], surplus: readonly string[]): CheckpointError {
  const instead = surplus.length === 0 ? '' : `, but ${listed(surplus)}, which the model has not`;
  return refuse(
    subject,
    `the tensors ${listed(missing)}`,
    `no such tensors${instead}`,
    'check that config.json and the weights belong together and are in the layout of transformers',
  );
}

function surplusError(subject: string, surplus: readonly string[]): CheckpointError {
  const remedy = 'check that config.json and the weights belong together; another number of layers is a common cause';
  return refuse(subject, "only the encoder's tensors and known heads", `also ${listed(surplus)}`, remedy);
}

function shapeError(subject: string, name: string, expected: Shape, received: Shape): CheckpointError {
  const remedy = 'check that config.json and the weights belong together';
  return refuse(subject, `"${name}" with shape [${expected.join(', ')}]`, `[${received.join(', ')}]`, remedy);
}

function refuse(subject: string, expected: string, received: string, remedy?: string): CheckpointError {
  return new CheckpointError({ subject, expected, received, remedy });
}

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

/** The inverse of {@link parametersOf}. @throws CheckpointError naming leaves that have no such name */
export function tensorsOf(
  parameters: HostTree,
  weights: readonly Weight[],
  { written = (name) => name }: FileNames,
  subject: string,
): Map<string, HostTensor> {
  const leaves = flattenTree(parameters);
  const shapes = new Map([...leaves].map(([name, { shape }]) => [name, shape] as const));
  const own = weights.map((weight) => ({ ...weight, fileName: weight.name, fileShape: weight.shape }));
  resolveWeights(shapes, own, { prefix: '', ignored: /^$/ }, subject);
  const tensors = new Map<string, HostTensor>();
  for (const weight of weights) {
    const tensor = toFile(weight, leaves.get(weight.name) as HostTensor);
    const name = written(weight.fileName);
    const before = tensors.get(name); // parts of one tensor follow one another
    tensors.set(name, before === undefined ? tensor : joined(before, tensor));
  }
  return tensors;
}

/** One tensor after the other along the first axis. */
function joined(first: HostTensor, second: HostTensor): HostTensor {
  const data = new Float32Array(first.data.length + second.data.length);
  data.set(first.data);
  data.set(second.data, first.data.length);
  const [rows, ...others] = first.shape as [number, ...number[]];
  return hostTensor(data, [rows + (second.shape[0] as number), ...others]);
}
