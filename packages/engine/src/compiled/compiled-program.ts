import {
  flattenTree,
  type Host,
  type HostTensor,
  type HostTree,
  type Program,
  type PureFunction,
  type TensorTree,
} from '@drf/tensor';
import type { TracedFunction } from '../graph/graph.js';
import { trace } from '../trace/trace.js';
import { Turns } from '../turns.js';
import type { StepPlan } from '../worker/protocol.js';
import type { Session, SessionHost } from './session-host.js';

/** A function traced for inputs of certain shapes, with its session once that exists. */
export interface Compiled {
  readonly traced: TracedFunction;
  readonly traceMilliseconds: number;
  readonly session: Promise<Session>;
}

/** A traced function, and how it moves a state on if it is a step. */
interface Recorded {
  readonly traced: TracedFunction;
  readonly plan?: StepPlan;
}

/** Sessions that a program keeps; beyond that, the one that was used longest ago is released. */
const MOST_SESSIONS = 16;

/** What a trace depends on: the names, types and shapes of the inputs. */
function structureOf(inputs: HostTree): string {
  const leaves = [...flattenTree<HostTensor>(inputs)];
  return leaves.map(([name, { dtype, shape }]) => `${name}:${dtype}[${shape.join()}]`).join(' ');
}

/** One trace and one session for each structure of inputs. */
export class TraceCache {
  private readonly compiled = new Map<string, Compiled>();

  constructor(private readonly host: SessionHost) {}

  /** The compiled function for inputs like these; `record` runs when their structure is met for the first time. */
  async get(inputs: HostTree, record: () => Recorded): Promise<Compiled> {
    const structure = structureOf(inputs);
    const known = this.compiled.get(structure) ?? this.make(structure, record);
    this.compiled.delete(structure);
    this.compiled.set(structure, known); // the last one used comes last
    await this.releaseOldest();
    return known;
  }

  async dispose(): Promise<void> {
    const all = [...this.compiled.values()];
    this.compiled.clear();
    await Promise.all(all.map((each) => this.release(each)));
  }

  private make(structure: string, record: () => Recorded): Compiled {
    const started = performance.now();
    const { traced, plan } = record();
    const traceMilliseconds = performance.now() - started;
    const session = this.host.create(traced, plan);
    session.catch(() => this.compiled.delete(structure)); // tried again next time; the caller sees this error
    return { traced, traceMilliseconds, session };
  }

  private async releaseOldest(): Promise<void> {
    const [oldest] = this.compiled;
    if (this.compiled.size <= MOST_SESSIONS || oldest === undefined) return;
    this.compiled.delete(oldest[0]);
    await this.release(oldest[1]);
  }

  private async release({ session }: Compiled): Promise<void> {
    const created = await session.catch(() => undefined);
    if (created !== undefined) await this.host.release(created);
  }
}

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
    const { session } = await this.cache.get(inputs, () => ({ traced: this.trace(inputs) }));
    return (await this.host.run(await session, inputs)) as Host<O>;
  }

  /** Records the function for inputs of these shapes; the first record is kept for the run that needs it. */
  trace(inputs: Host<I>): TracedFunction {
    const structure = structureOf(inputs);
    if (this.first?.structure === structure) return this.first.traced;
    const given = { constants: this.constants, state: {}, inputs };
    const traced = trace(given, (constants, _, own) => ({ state: {}, outputs: this.compute(constants, own) }));
    this.first ??= { structure, traced };
    return traced;
  }

  async dispose(): Promise<void> {
    if (this.turns.dispose()) await this.cache.dispose();
  }
}
