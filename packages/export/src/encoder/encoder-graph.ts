import {
  flattenTree,
  type Host,
  type HostTensor,
  hostTensor,
  type HostTree,
  mapTree,
  sizeOf,
  type TensorTree,
} from '@drf/tensor';
import type * as tf from '@tensorflow/tfjs';
import type { TransformerOutputs } from '@drf/encoders';
import { compile } from '@drf/engine';
import type { OnnxAttribute, OnnxModel, OnnxNode, OnnxTensor, OnnxValueInfo } from '@drf/onnx';
import { foldConstants } from '../onnx/fold-constants.js';
import { forAnyBatch, forAnyBatchAndLength } from '../onnx/any-batch.js';

interface ImageReading {
  readonly modality: 'image';
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

interface TextReading {
  readonly modality: 'text';
  /** Most tokens of a text. */
  readonly longest: number;
  /** Whether tokenizers of its family say the types of tokens. */
  readonly hasTypes: boolean;
}

/** A model as it lies in a folder: what of it does not depend on the parameters, and its own parameters. */
export interface EncoderSource {
  readonly name: string;
  readonly folder: string;
  /** What `config.json` says of this encoder. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly modelType: string;
  /** Class of Python's transformers. */
  readonly architecture: string;
  /** Where transformers.js looks for the graph. */
  readonly file: string;
  /** What the pooled output is called, where there is one. */
  readonly pooledName: string;
  readonly parameters: HostTree;
  readonly reads: ImageReading | TextReading;
  apply(parameters: TensorTree, inputs: Readonly<Record<string, tf.Tensor>>): TransformerOutputs;
  /** Parameters by their names in Hugging Face's files. */
  tensors(parameters: HostTree): ReadonlyMap<string, HostTensor>;
}

/** Codes of ONNX's element types. */
const CODES = { float32: 1, int32: 6, int64: 7 } as const;
type ElementType = keyof typeof CODES;

/** An operation with one input, without names. */
type NodePart = { readonly opType: string; readonly attribute: readonly OnnxAttribute[] };

/** An input under another name and of another form, with the operation that makes the former one from it. */
interface InputRename {
  readonly from: string;
  readonly to: string;
  readonly elementType: ElementType;
  readonly node: NodePart;
}

const INT = 2;
const INTS = 7;

function castNode(to: ElementType): NodePart {
  return { opType: 'Cast', attribute: [{ name: 'to', type: INT, i: CODES[to] }] };
}

function transposeNode(order: readonly number[]): NodePart {
  return { opType: 'Transpose', attribute: [{ name: 'perm', type: INTS, ints: order }] };
}

/** The shape before a transposition. */
function shapeBefore<T>({ attribute }: NodePart, shape: readonly T[]): T[] {
  const order = attribute.find(({ name }) => name === 'perm')?.ints;
  if (order === undefined) return [...shape];
  const before: T[] = [];
  order.forEach((axis, place) => (before[axis] = shape[place] as T));
  return before;
}

/** Gives inputs other names and forms. One that nothing reads, as SigLIP's mask, stays away. */
function renameInputs(model: OnnxModel, renames: readonly InputRename[]): OnnxModel {
  const nodes: OnnxNode[] = [];
  const read = new Set(model.graph.node.flatMap(({ input: names }) => names));
  const isRead = ({ name }: OnnxValueInfo): boolean => read.has(name) || !renames.some(({ from }) => from === name);
  const input = model.graph.input.filter(isRead).map((info) => {
    const rename = renames.find(({ from }) => from === info.name);
    if (rename === undefined) return info;
    nodes.push({ name: rename.to, input: [rename.to], output: [info.name], ...rename.node });
    const dim = shapeBefore(rename.node, info.type.tensorType.shape.dim);
    return { name: rename.to, type: { tensorType: { elemType: CODES[rename.elementType], shape: { dim } } } };
  });
  const order = renames.map(({ to }) => to);
  const sorted = [...input].sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
  return { ...model, graph: { ...model.graph, input: sorted, node: [...nodes, ...model.graph.node] } };
}

/** Name of the branch of a traced function's inputs that its parameters are. */
const WEIGHTS = 'weights';

const FLOAT = 1;

/** Makes constants of the inputs that parameters were traced as. The numbers are not copied. */
function insertWeights(model: OnnxModel, parameters: HostTree): OnnxModel {
  const { graph } = model;
  const read = new Set(graph.node.flatMap(({ input }) => input));
  const constants = [...flattenTree<HostTensor>(parameters)].flatMap(([flatName, { shape, data }]): OnnxTensor[] => {
    const name = `${WEIGHTS}.${flatName}`;
    const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return read.has(name) ? [{ name, dims: shape, dataType: FLOAT, rawData }] : [];
  });
  const input = graph.input.filter(({ name }) => !name.startsWith(`${WEIGHTS}.`));
  return { ...model, graph: { ...graph, input, initializer: [...graph.initializer, ...constants] } };
}

/** The parameters' shapes without their numbers: a graph is traced several times before it gets its weights. */
function shapesOf(parameters: HostTree): HostTree {
  return mapTree(parameters, (leaf) => ({ ...leaf, data: new Float32Array(0) }));
}

function textInputs(batch: number, length: number, hasTypes: boolean): HostTree {
  const whole = hostTensor(new Int32Array(batch * length), [batch, length]);
  const mask = hostTensor(new Float32Array(batch * length), [batch, length]);
  return { ids: whole, mask, ...(hasTypes ? { tokenTypes: whole } : {}) };
}

const TEXT_INPUTS: readonly InputRename[] = [
  { from: 'ids', to: 'input_ids', elementType: 'int64', node: castNode('int32') },
  { from: 'mask', to: 'attention_mask', elementType: 'int64', node: castNode('float32') },
  { from: 'tokenTypes', to: 'token_type_ids', elementType: 'int64', node: castNode('int32') },
];

/** transformers.js and Python have channels first: [batch, channel, height, width]. */
const IMAGE_INPUTS: readonly InputRename[] = [
  { from: 'pixels', to: 'pixel_values', elementType: 'float32', node: transposeNode([0, 2, 3, 1]) },
];

function trace(source: EncoderSource, shapes: HostTree, inputs: HostTree): Uint8Array {
  const compute = (all: TensorTree): TensorTree => {
    const { [WEIGHTS]: weights, ...rest } = all;
    const { tokens, pooled } = source.apply(weights as TensorTree, rest as Record<string, tf.Tensor>);
    return { last_hidden_state: tokens, ...(pooled === undefined ? {} : { [source.pooledName]: pooled }) };
  };
  const example = { [WEIGHTS]: shapes, ...inputs } as Host<TensorTree>;
  return compile(compute, example).toOnnx({ name: source.modelType, description: 'an encoder' });
}

/**
 * A model in ONNX with the inputs and outputs that transformers.js and Hugging Face's exporters have: `input_ids`,
 * `attention_mask` and, where the model has token types, `token_type_ids`, int64 [batch, sequence]; or `pixel_values`
 * [batch, channel, height, width]; `last_hidden_state` and, where the model has a pooler, `pooler_output` (of
 * CLIP `image_embeds` or `text_embeds`). Any number of
 * contents; texts of any length that the model has positions for.
 */
export async function encoderGraph(source: EncoderSource, parameters: HostTree): Promise<OnnxModel> {
  const shapes = shapesOf(parameters);
  const { reads } = source;
  const isImage = reads.modality === 'image';
  const traced = isImage
    ? await forAnyBatch((batch) => {
        const shape = [batch, reads.height, reads.width, reads.channels];
        return trace(source, shapes, { pixels: hostTensor(new Float32Array(sizeOf(shape)), shape) });
      })
    : await forAnyBatchAndLength(
        (batch, length) => trace(source, shapes, textInputs(batch, length, reads.hasTypes)),
        reads.longest,
      );
  const renamed = renameInputs(await foldConstants(traced), isImage ? IMAGE_INPUTS : TEXT_INPUTS);
  return insertWeights(renamed, parameters);
}
