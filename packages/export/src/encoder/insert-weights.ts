import { flattenTree, type HostTensor, type HostTree } from '@drf/tensor';
import type { OnnxModel, OnnxTensor } from '../onnx/model.js';

/** Name of the branch of a traced function's inputs that its parameters are. */
export const WEIGHTS = 'weights';

const FLOAT = 1;

/** Makes constants of the inputs that parameters were traced as. The numbers are not copied. */
export function insertWeights(model: OnnxModel, parameters: HostTree): OnnxModel {
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
