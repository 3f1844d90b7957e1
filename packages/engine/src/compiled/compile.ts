import { encodeModel } from '@drf/onnx';
import { ConfigurationError, type Host, type Program, type TensorTree } from '@drf/tensor';
import type { TracedFunction } from '../graph/graph.js';
import { modelOf, type ModelNotes } from '../onnx/write.js';
import type { CompileOptions } from './options.js';
import { CompiledProgram } from './compiled-program.js';
import { SessionHost } from './session-host.js';

/** A function that was traced for inputs like the example's. */
export interface CompiledFunction<I extends TensorTree, O extends TensorTree> extends Program<I, O> {
  /** Runs the function; inputs of other shapes than the example's cost one more trace. */
  run(inputs: Host<I>): Promise<Host<O>>;
  /** The function for the example's shapes as an ONNX file: opset 17, operators of the default domain only. */
  toOnnx(notes?: ModelNotes): Uint8Array;
  /** Ends the sessions and their worker thread. */
  dispose(): Promise<void>;
}

/** @throws ConfigurationError when an input and an output share a name, which the file could not tell apart. */
function assertOwnNames({ inputs, outputs }: TracedFunction): void {
  const shared = inputs.find((input) => outputs.some(({ name }) => name === input.name));
  if (shared === undefined) return;
  throw new ConfigurationError({
    subject: 'toOnnx',
    expected: 'different names for inputs and outputs',
    received: `"${shared.name}" for both`,
    remedy: 'rename the output that the function returns',
  });
}

/**
 * Compiles a pure function over tfjs tensors: traces it at once for inputs like the example's and runs it by ONNX
 * Runtime. Gradients (`tf.grad`, `tf.valueAndGrads`, …) inside the function are traced like everything else.
 * @param compute must not read tensors (`dataSync`), draw random numbers, or keep anything between calls
 * @param exampleInputs their shapes and types matter, their numbers do not
 * @throws UnavailableError naming a kernel that is not supported and where it is called; ConfigurationError when the
 * function reads a tensor; whatever the function itself throws.
 */
export function compile<I extends TensorTree, O extends TensorTree>(
  compute: (inputs: I) => O,
  exampleInputs: Host<I>,
  options: CompileOptions = {},
): CompiledFunction<I, O> {
  const host = new SessionHost(options);
  const program = new CompiledProgram<Record<string, never>, I, O>(host, (_, inputs) => compute(inputs), {});
  const traced = program.trace(exampleInputs);
  return {
    run: (inputs) => program.run(inputs),
    toOnnx(notes) {
      assertOwnNames(traced);
      return encodeModel(modelOf(traced, { notes, nameOf: ({ name }) => name }));
    },
    async dispose() {
      await program.dispose();
      await host.close();
    },
  };
}
