import type { Host, Program, PureFunction, TensorTree } from '@drf/tensor';
import { trace, type TracedFunction } from '../trace/trace.js';
import { Turns } from '../turns.js';
import { fromNamed, toNamed, type SessionHost } from './session-host.js';
import { structureOf, TraceCache, type Compiled } from './trace-cache.js';
import { constantLeaves, inputLeaves, subtree } from './trees.js';

/** A function whose constants are part of its graph; it is traced once for each structure of its inputs. */
export class CompiledProgram<C extends TensorTree, I extends TensorTree, O extends TensorTree> implements Program<
  I,
  O
> {
  private readonly turns = new Turns('Program.run');
  private readonly cache: TraceCache;
  private first: { readonly structure: string; readonly traced: TracedFunction } | undefined;

  constructor(
    private readonly host: SessionHost,
    private readonly compute: PureFunction<C, I, O>,
    private readonly constants: Host<C>,
  ) {
    this.cache = new TraceCache(host);
  }

  async run(inputs: Host<I>): Promise<Host<O>> {
    this.turns.assertUsable();
    const compiled = await this.compile(inputs);
    const outputs = await this.host.run(await compiled.session, toNamed(inputs, 'in.'));
    return fromNamed(outputs, 'out.') as Host<O>;
  }

  /** Records the function for inputs of these shapes; the first record is kept for the run that needs it. */
  trace(inputs: Host<I>): TracedFunction {
    const structure = structureOf(toNamed(inputs, ''));
    if (this.first?.structure === structure) return this.first.traced;
    const traced = this.record(inputs);
    this.first ??= { structure, traced };
    return traced;
  }

  private record(inputs: Host<I>): TracedFunction {
    const leaves = new Map([...constantLeaves(this.constants, 'bound.'), ...inputLeaves(inputs, 'in.')]);
    return trace(leaves, (tensors) => ({
      out: this.compute(subtree(tensors, 'bound.') as C, subtree(tensors, 'in.') as I),
    }));
  }

  /** Traces, and starts a session, unless inputs of these shapes were met before. */
  compile(inputs: Host<I>): Promise<Compiled> {
    const structure = structureOf(toNamed(inputs, ''));
    return this.cache.get(structure, () => ({ traced: this.trace(inputs) }), 'out.');
  }

  async dispose(): Promise<void> {
    if (this.turns.dispose()) await this.cache.dispose();
  }
}
