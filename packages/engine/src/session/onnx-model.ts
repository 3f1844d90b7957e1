import { DataError, UnavailableError, type HostTensor } from '@drf/tensor';
import { externalTensor } from '../onnx/external-data.js';
import { assertProvider, sessionOptions, type CompileOptions } from './options.js';
import { WorkerClient } from './worker-client.js';

/** Tensors by the names that they have in the file. */
export type NamedHostTensors = Readonly<Record<string, HostTensor>>;

/** A model out of an ONNX file, run by ONNX Runtime in a worker thread. */
export interface OnnxModel {
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
 * @throws DataError when ONNX Runtime cannot read it
 */
export async function openOnnxModel(name: string, bytes: Uint8Array, options: CompileOptions = {}): Promise<OnnxModel> {
  assertProvider(options.provider ?? 'cpu');
  assertWhole(name, bytes);
  const client = new WorkerClient();
  const copy = Uint8Array.from(bytes); // it goes over to the worker
  try {
    const request = { kind: 'create', session: 0, model: copy, options: sessionOptions(options, true) };
    await client.ask(request, [copy.buffer]);
  } catch (error) {
    await client.close();
    throw unreadable(name, error);
  }
  return {
    async run(inputs, outputs) {
      const named = Object.entries(inputs).map(([input, { shape, dtype, data }]) => ({ name: input, shape, dtype, data })); // prettier-ignore
      const results = await client.ask<(HostTensor & { readonly name: string })[]>({
        kind: 'run',
        session: 0,
        inputs: named,
        outputs,
      });
      return Object.fromEntries(results.map(({ name: output, ...tensor }) => [output, tensor]));
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
