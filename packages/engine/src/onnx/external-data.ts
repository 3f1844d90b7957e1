import { ModelProto } from './schema.js';

/** A tensor as ONNX holds it; location 1 is a file beside the model. */
interface TensorMessage {
  readonly name?: string;
  readonly dataLocation?: number;
}

interface GraphMessage {
  readonly initializer?: readonly TensorMessage[];
  readonly node?: readonly { readonly attribute?: readonly AttributeMessage[] }[];
}

interface AttributeMessage {
  readonly t?: TensorMessage | null;
  readonly g?: GraphMessage | null;
  readonly tensors?: readonly TensorMessage[];
  readonly graphs?: readonly GraphMessage[];
}

const EXTERNAL = 1;

/**
 * Name of a tensor whose values lie in another file, which ONNX Runtime would open; nothing where all are in the model.
 * @throws Error of the decoder for bytes that are no ONNX model
 */
export function externalTensor(bytes: Uint8Array): string | undefined {
  const { graph } = ModelProto.decode(bytes) as { readonly graph?: GraphMessage | null };
  return graph === undefined || graph === null ? undefined : inGraph(graph);
}

function inGraph({ initializer = [], node = [] }: GraphMessage): string | undefined {
  return first([
    ...initializer.map(inTensor),
    ...node.flatMap(({ attribute = [] }) =>
      attribute.flatMap(({ t, g, tensors = [], graphs = [] }) => [
        ...(t ? [t, ...tensors] : tensors).map(inTensor),
        ...(g ? [g, ...graphs] : graphs).map(inGraph),
      ]),
    ),
  ]);
}

function inTensor({ name, dataLocation }: TensorMessage): string | undefined {
  return dataLocation === EXTERNAL ? (name ?? '') : undefined;
}

function first(names: readonly (string | undefined)[]): string | undefined {
  return names.find((name) => name !== undefined);
}
