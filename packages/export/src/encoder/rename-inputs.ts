import type { OnnxAttribute, OnnxModel, OnnxNode } from '../onnx/model.js';

/** Codes of ONNX's element types. */
const CODES = { float32: 1, int32: 6, int64: 7 } as const;
type ElementType = keyof typeof CODES;

/** An operation with one input, without names. */
type NodePart = { readonly opType: string; readonly attribute: readonly OnnxAttribute[] };

/** An input under another name and of another form, with the operation that makes the former one from it. */
export interface InputRename {
  readonly from: string;
  readonly to: string;
  readonly elementType: ElementType;
  readonly node: NodePart;
}

const INT = 2;
const INTS = 7;

export function castNode(to: ElementType): NodePart {
  return { opType: 'Cast', attribute: [{ name: 'to', type: INT, i: CODES[to] }] };
}

export function transposeNode(order: readonly number[]): NodePart {
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

/** Gives inputs other names and forms. An input that the model does not have stays away. */
export function renameInputs(model: OnnxModel, renames: readonly InputRename[]): OnnxModel {
  const nodes: OnnxNode[] = [];
  const input = model.graph.input.map((info) => {
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
