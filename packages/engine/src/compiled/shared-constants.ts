import type { Host, Program, PureFunction, TensorTree } from '@drf/tensor';
import { CompiledStepProgram } from './compiled-step-program.js';
import type { SessionHost } from './session-host.js';

/**
 * A function whose constants lie in memories that all its sessions read, as the state of a step that never changes:
 * one copy, however many shapes of inputs there are.
 */
export class SharedConstantsProgram<
  C extends TensorTree,
  I extends TensorTree,
  O extends TensorTree,
> implements Program<I, O> {
  private readonly program: CompiledStepProgram<C, I, O>;
  private last: Promise<unknown>;

  constructor(host: SessionHost, compute: PureFunction<C, I, O>, constants: Host<C>) {
    const step = (state: C, inputs: I) => ({ state, outputs: compute(state, inputs) });
    this.program = new CompiledStepProgram<C, I, O>(host, step, constants);
    this.last = this.ready;
  }

  /** Settles once the constants are in the worker; the first call reports a failure. */
  get ready(): Promise<void> {
    return this.program.ready.catch(() => undefined);
  }

  /** Runs may overlap here, steps may not. */
  run(inputs: Host<I>): Promise<Host<O>> {
    const result = this.last.then(() => this.program.step(inputs));
    this.last = result.catch(() => undefined);
    return result;
  }

  dispose(): Promise<void> {
    return this.program.dispose();
  }
}
