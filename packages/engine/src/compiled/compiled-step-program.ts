import type { Host, HostTree, PureStep, StepProgram, TensorTree } from '@drf/tensor';
import { assertSameLeaves } from '../state-shapes.js';
import { partition, SMALLEST_FUSED } from '../fused/partition.js';
import { planOf } from '../fused/plan.js';
import { trace, type TracedFunction } from '../trace/trace.js';
import { Turns } from '../turns.js';
import { fromNamed, toNamed, type NamedTensor, type SessionHost } from './session-host.js';
import { structureOf, TraceCache, type Compiled, type Recorded } from './trace-cache.js';
import { inputLeaves, subtree } from './trees.js';

/** WebAssembly addresses 4 GiB, where the state and at most one gradient for a third of it must find room. */
const LARGEST_FUSED_STATE = 2.5 * 2 ** 30;

/**
 * The function without the state's tensors that it returns as they came: they stay where they are, so that what a step
 * only reads (frozen parameters, a whole state in a step that predicts) is never copied.
 */
function withoutUnchanged(traced: TracedFunction): TracedFunction {
  const changed = [...traced.outputs].filter(
    ([name, value]) => !name.startsWith('next.') || traced.inputs.get(name.replace('next.', 'state.')) !== value,
  );
  return changed.length === 0 ? traced : { ...traced, outputs: new Map(changed) }; // a graph needs an output
}

/** A step whose state stays in the worker thread. */
export class CompiledStepProgram<
  S extends TensorTree,
  I extends TensorTree,
  O extends TensorTree,
> implements StepProgram<S, I, O> {
  private readonly turns = new Turns('StepProgram.step');
  private readonly cache: TraceCache;
  private readonly stateNumber: number;
  /** Shapes and types only matter; the numbers are the worker's. */
  private readonly example: Host<S>;
  private readonly ready: Promise<void>;
  private readonly fused: boolean;

  constructor(
    private readonly host: SessionHost,
    private readonly compute: PureStep<S, I, O>,
    initialState: Host<S>,
  ) {
    this.cache = new TraceCache(host);
    this.stateNumber = host.newState();
    this.example = initialState;
    const tensors = toNamed(initialState as HostTree, '');
    const bytes = tensors.reduce((sum, { data }) => sum + data.byteLength, 0);
    this.fused = bytes <= LARGEST_FUSED_STATE;
    this.ready = this.write(tensors);
    this.ready.catch(() => undefined); // the first call reports it
  }

  step(inputs: Host<I>): Promise<Host<O>> {
    return this.turns.take(async () => {
      const compiled = await this.compile(inputs);
      await this.ready;
      const outputs = await this.host.step(
        await compiled.session,
        this.stateNumber,
        toNamed(inputs as HostTree, 'in.'),
      );
      return fromNamed(outputs, 'out.') as Host<O>;
    });
  }

  readState(): Promise<Host<S>> {
    return this.turns.take(async () => {
      await this.ready;
      return fromNamed(await this.host.readState(this.stateNumber), '') as Host<S>;
    });
  }

  writeState(state: Host<S>): Promise<void> {
    return this.turns.take(async () => {
      assertSameLeaves('StepProgram.writeState', this.example as HostTree, state as HostTree);
      await this.ready;
      await this.write(toNamed(state as HostTree, ''));
    });
  }

  /** Traces, and starts a session, unless inputs of these shapes were met before. */
  compile(inputs: Host<I>): Promise<Compiled> {
    const structure = structureOf(toNamed(inputs as HostTree, ''));
    return this.cache.get(structure, () => this.record(inputs), 'out.');
  }

  async dispose(): Promise<void> {
    if (!this.turns.dispose()) return;
    await this.cache.dispose();
    await this.ready;
    await this.host.dropState(this.stateNumber);
  }

  private write(tensors: readonly NamedTensor[]): Promise<void> {
    return this.host.writeState(this.stateNumber, tensors, this.fused ? SMALLEST_FUSED : Infinity);
  }

  private record(inputs: Host<I>): Recorded {
    const traced = withoutUnchanged(this.trace(inputs));
    if (!this.fused) return { traced };
    const { loops, traced: rest } = partition(traced);
    return { traced: rest, plan: planOf(loops) };
  }

  private trace(inputs: Host<I>): TracedFunction {
    const state = this.example as HostTree;
    const leaves = new Map([...inputLeaves(state, 'state.'), ...inputLeaves(inputs as HostTree, 'in.')]);
    return trace(leaves, (tensors) => {
      const result = this.compute(subtree(tensors, 'state.') as S, subtree(tensors, 'in.') as I);
      assertSameLeaves('StepProgram.step', state, result.state);
      return { next: result.state, out: result.outputs };
    });
  }
}
