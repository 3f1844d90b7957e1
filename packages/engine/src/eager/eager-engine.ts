import type { Engine, Host, Program, PureFunction, PureStep, StepProgram, TensorTree } from '@drf/tensor';
import { ProgramList } from '../program-list.js';
import { startBackend } from './backend.js';
import { EagerProgram } from './eager-program.js';
import { EagerStepProgram } from './eager-step-program.js';

class EagerEngine implements Engine {
  readonly name: string;
  private readonly programs: ProgramList;

  constructor(private readonly backend: string) {
    this.name = `eager:${backend}`;
    this.programs = new ProgramList(this.name);
  }

  async prepare<C extends TensorTree, I extends TensorTree, O extends TensorTree>(
    compute: PureFunction<C, I, O>,
    constants: Host<C>,
  ): Promise<Program<I, O>> {
    return this.programs.add(() => new EagerProgram<C, I, O>(this.backend, compute, constants));
  }

  async prepareStep<S extends TensorTree, I extends TensorTree, O extends TensorTree>(
    step: PureStep<S, I, O>,
    initialState: Host<S>,
  ): Promise<StepProgram<S, I, O>> {
    return this.programs.add(() => new EagerStepProgram<S, I, O>(this.backend, step, initialState));
  }

  dispose(): Promise<void> {
    return this.programs.dispose();
  }
}

/**
 * An engine that runs every operation as it is called, on a tfjs backend: `tensorflow` (native, from
 * `@tensorflow/tfjs-node-gpu` or `@tensorflow/tfjs-node`), `wasm`, `cpu`, or one that the caller registered.
 * @throws UnavailableError when the backend does not start here; ConfigurationError when tfjs has none of that name.
 */
export async function createEagerEngine(backend: string): Promise<Engine> {
  await startBackend(backend);
  return new EagerEngine(backend);
}
