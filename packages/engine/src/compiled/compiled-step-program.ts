import type { Host, HostTensor, HostTree, PureStep, StepProgram, TensorTree } from '@drf/tensor';
import { assertSameLeaves, noLeaf } from '../state-shapes.js';
import { partition, SMALLEST_FUSED } from '../fused/partition.js';
import { planOf } from '../fused/plan.js';
import { trace, type TracedFunction } from '../trace/trace.js';
import { Turns } from '../turns.js';
import { fromNamed, toNamed, type NamedTensor, type SessionHost, type StateLeaf } from './session-host.js';
import { structureOf, TraceCache, type Compiled, type Recorded } from './trace-cache.js';
import { inputLeaves, subtree } from './trees.js';

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
  private readonly leaves: readonly StateLeaf[];
  /** Settles once the initial state is in the worker; the first call reports a failure. */
  readonly ready: Promise<void>;

  constructor(
    private readonly host: SessionHost,
    private readonly compute: PureStep<S, I, O>,
    initialState: Host<S>,
  ) {
    this.cache = new TraceCache(host);
    this.stateNumber = host.newState();
    const tensors = toNamed(initialState, '');
    this.leaves = tensors.map(({ name, shape, dtype }) => ({ name, shape, dtype }));
    this.example = fromNamed(
      this.leaves.map((leaf) => ({ ...leaf, data: new Float32Array(0) })),
      '',
    ) as Host<S>;
    this.ready = this.begin(tensors);
    this.ready.catch(() => undefined);
  }

  /**
   * As {@link @drf/tensor!StepProgram.step}; the first call with inputs of new shapes traces and compiles.
   */
  step(inputs: Host<I>): Promise<Host<O>> {
    return this.turns.take(async () => {
      const compiled = await this.compile(inputs);
      await this.ready;
      const outputs = await this.host.step(await compiled.session, this.stateNumber, toNamed(inputs, 'in.'));
      return fromNamed(outputs, 'out.') as Host<O>;
    });
  }

  readState(): Promise<Host<S>> {
    return this.turns.take(async () => {
      await this.ready;
      const tensors: NamedTensor[] = [];
      for (const leaf of this.leaves) tensors.push(await this.host.readLeaf(this.stateNumber, leaf));
      return fromNamed(tensors, '') as Host<S>;
    });
  }

  readLeaf(flatName: string): Promise<HostTensor> {
    return this.turns.take(async () => {
      const leaf = this.leaves.find(({ name }) => name === flatName);
      if (leaf === undefined)
        throw noLeaf(
          flatName,
          this.leaves.map(({ name }) => name),
        );
      await this.ready;
      const { shape, dtype, data } = await this.host.readLeaf(this.stateNumber, leaf);
      return { shape, dtype, data };
    });
  }

  /**
   * Replaces the state.
   * @throws ShapeMismatchError when it is of another shape
   */
  writeState(state: Host<S>): Promise<void> {
    return this.turns.take(async () => {
      assertSameLeaves('StepProgram.writeState', this.example, state);
      await this.ready;
      for (const leaf of toNamed(state, '')) await this.host.writeLeaf(this.stateNumber, leaf, 'numbers');
    });
  }

  /** Traces, and starts a session, unless inputs of these shapes were met before. */
  compile(inputs: Host<I>): Promise<Compiled> {
    const structure = structureOf(toNamed(inputs, ''));
    return this.cache.get(structure, () => this.record(inputs), 'out.');
  }

  /** Ends the session and frees the state; the program cannot be used afterwards. */
  async dispose(): Promise<void> {
    if (!this.turns.dispose()) return;
    await this.cache.dispose();
    await this.ready;
    await this.host.dropState(this.stateNumber);
  }

  private async begin(tensors: readonly NamedTensor[]): Promise<void> {
    await this.host.makeState(this.stateNumber, this.leaves, SMALLEST_FUSED);
    for (const tensor of tensors) await this.host.writeLeaf(this.stateNumber, tensor, 'zeros');
  }

  private record(inputs: Host<I>): Recorded {
    const { loops, traced } = partition(this.trace(inputs));
    return { traced, plan: planOf(loops) };
  }

  private trace(inputs: Host<I>): TracedFunction {
    const state = this.example as HostTree;
    const leaves = new Map([...inputLeaves(state, 'state.'), ...inputLeaves(inputs, 'in.')]);
    return trace(leaves, (tensors) => {
      const result = this.compute(subtree(tensors, 'state.') as S, subtree(tensors, 'in.') as I);
      assertSameLeaves('StepProgram.step', state, result.state);
      return { next: result.state, out: result.outputs };
    });
  }
}
