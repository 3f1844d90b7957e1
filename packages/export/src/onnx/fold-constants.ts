import * as ort from 'onnxruntime-node';
import { ELEMENT_TYPES, encodeModel, type OnnxModel, type OnnxNode, type OnnxTensor } from '@drf/onnx';

/** Not computed ahead: repeating numbers would only make the file larger. */
const NEVER_FOLDED = new Set(['Expand']);

const CODES = new Map(Object.entries(ELEMENT_TYPES).map(([code, name]) => [name as string, Number(code)]));

/** Operations whose inputs are all constants, or results of such operations, in the order of the graph. */
function constantNodes({ graph }: OnnxModel): OnnxNode[] {
  const constant = new Set(graph.initializer.map(({ name }) => name));
  const outputs = new Set(graph.output.map(({ name }) => name)); // stay results of operations
  return graph.node.filter((node) => {
    const folds =
      !NEVER_FOLDED.has(node.opType) &&
      node.input.every((name) => name === '' || constant.has(name)) &&
      !node.output.some((name) => outputs.has(name));
    if (folds) node.output.forEach((name) => constant.add(name));
    return folds;
  });
}

/** Runs operations on constants alone. @param wanted the results to return */
async function compute(
  model: OnnxModel,
  nodes: readonly OnnxNode[],
  wanted: readonly string[],
): Promise<readonly OnnxTensor[]> {
  const read = new Set(nodes.flatMap(({ input }) => input));
  const graph = {
    name: 'constants',
    node: nodes,
    input: [],
    output: wanted.map((name) => ({ name })),
    initializer: model.graph.initializer.filter(({ name }) => read.has(name)),
  };
  const bytes = encodeModel({ ...model, graph });
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  try {
    const results = await session.run({});
    return wanted.map((name) => toConstant(name, results[name] as ort.Tensor));
  } finally {
    await session.release();
  }
}

function toConstant(name: string, { dims, type, data }: ort.Tensor): OnnxTensor {
  const { buffer, byteOffset, byteLength } = data as Float32Array;
  return {
    name,
    dims,
    dataType: CODES.get(type) as number,
    rawData: new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength).slice(),
  };
}

/**
 * Computes once what depends on constants alone (a queue's mean and spread, say) and leaves out what nothing reads
 * any more (the queue's rows).
 */
export async function foldConstants(model: OnnxModel): Promise<OnnxModel> {
  const folded = constantNodes(model);
  if (folded.length === 0) return model;
  const isFolded = new Set(folded);
  const node = model.graph.node.filter((each) => !isFolded.has(each));
  const read = new Set(node.flatMap(({ input }) => input));
  const wanted = folded.flatMap(({ output }) => output).filter((name) => read.has(name));
  const constants = await compute(model, folded, wanted);
  const kept = model.graph.initializer.filter(({ name }) => read.has(name));
  return { ...model, graph: { ...model.graph, node, initializer: [...kept, ...constants] } };
}
