import { DataError, UnavailableError, type HostTensor } from '@drf/tensor';
import { WorkerClient } from './worker/client.js';
import { assertProviderWorks } from './providers/providers.js';
import { sessionOptions, type RuntimeOptions } from './worker/options.js';
import { ModelProto } from './schema.js';

/** Tensors by the names that they have in the file. */
export type NamedHostTensors = Readonly<Record<string, HostTensor>>;

/** A model out of an ONNX file, run by ONNX Runtime in a worker thread. */
export interface RunnableModel {
  /**
   * @param outputs names of those wanted
   * @throws UnavailableError with ONNX Runtime's own words, such as for inputs of another shape than the file's
   */
  run(inputs: NamedHostTensors, outputs: readonly string[]): Promise<NamedHostTensors>;
  /** Ends the session and its thread. */
  dispose(): Promise<void>;
}

/**
 * Opens a standard ONNX model, whoever wrote it. Values that lie in other files are refused: a model names them.
 * @param name of the file, for messages
 * @throws DataError when ONNX Runtime cannot read it; UnavailableError when the provider does not work here
 */
export async function openOnnxModel(
  name: string,
  bytes: Uint8Array,
  options: RuntimeOptions = {},
): Promise<RunnableModel> {
  assertWhole(name, bytes);
  await assertProviderWorks(options.provider ?? 'cpu', options.machine);
  const client = new WorkerClient();
  const copy = Uint8Array.from(bytes); // it goes over to the worker
  try {
    const request = { kind: 'create', session: 0, model: copy, options: sessionOptions(options, true) } as const;
    await client.ask(request, [copy.buffer]);
  } catch (error) {
    await client.close();
    throw unreadable(name, error);
  }
  return {
    async run(inputs, outputs) {
      const named = Object.entries(inputs).map(([input, { shape, dtype, data }]) => ({ name: input, shape, dtype, data })); // prettier-ignore
      const tensors = await client.ask({ kind: 'run', session: 0, inputs: named, outputs });
      return Object.fromEntries(tensors.map((tensor, i) => [outputs[i], tensor]));
    },
    dispose: () => client.close(),
  };
}

function assertWhole(name: string, bytes: Uint8Array): void {
  let tensor: string | undefined;
  try {
    tensor = externalTensor(bytes);
  } catch {
    return; // no model at all: ONNX Runtime says what is wrong with it
  }
  if (tensor === undefined) return;
  throw new DataError({
    subject: name,
    expected: 'a model whose tensors are all in its file',
    received: `"${tensor}", whose values lie in another one`,
    remedy: 'write the model without external data',
  });
}

function unreadable(name: string, error: unknown): unknown {
  if (!(error instanceof UnavailableError)) return error;
  const { received } = error.report;
  return new DataError(
    {
      subject: name,
      expected: 'a model that ONNX Runtime reads',
      received,
      remedy: 'write the file again, or run it with the ONNX Runtime that it was written for',
    },
    { cause: error },
  );
}

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
function externalTensor(bytes: Uint8Array): string | undefined {
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
