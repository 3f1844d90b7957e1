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
import type { QuantizedMatrix } from '../onnx/int8.js';
import { trace } from '../trace/trace.js';
import { Turns, UnderWay } from '../programs.js';
import type { Recorded, Session, SessionHost } from './session-host.js';

/** Sessions that a program keeps; beyond that, the one that was used longest ago is released. */
const MOST_SESSIONS = 16;
/** The same of a program whose sessions hold neither constants nor memory between runs; and records that such programs share. */
export const MOST_LIGHT_SESSIONS = 32;

/** What a trace depends on: the names, types and shapes of the inputs. */
function structureOf(inputs: HostTree): string {
  const leaves = [...flattenTree<HostTensor>(inputs)];
  return leaves.map(([name, { dtype, shape }]) => `${name}:${dtype}[${shape.join()}]`).join(' ');
}

/** One record for each structure of inputs, for programs in several worker threads, which each make sessions of it. */
export class SharedRecords {
  /** Rounded weights by their names. */
  readonly quantized = new Map<string, Promise<QuantizedMatrix>>();
  private readonly kept = new Map<string, Promise<Recorded>>();

  /** The record for inputs like these; `record` runs when their structure is met for the first time. */
  of(inputs: HostTree, record: () => Promise<Recorded>): Promise<Recorded> {
    const structure = structureOf(inputs);
    const recorded = this.kept.get(structure) ?? record();
    this.kept.delete(structure);
    this.kept.set(structure, recorded); // the last one used comes last
    recorded.catch(() => this.kept.delete(structure)); // tried again next time; the caller sees this error
    const [oldest] = this.kept.keys();
    if (this.kept.size > MOST_LIGHT_SESSIONS && oldest !== undefined) this.kept.delete(oldest);
    return recorded;
  }
}

/** One trace and one session for each structure of inputs, and number of threads. */
export class TraceCache {
  private readonly sessions = new Map<string, Promise<Session>>();

  constructor(
    private readonly host: SessionHost,
    private readonly most = MOST_SESSIONS,
  ) {}

  /**
   * The session for inputs like these; `record` runs when their structure is met for the first time.
   * @param threads of the session; default as the engine's options say
   */
  async get(inputs: HostTree, record: () => Promise<Recorded>, threads?: number): Promise<Session> {
    const structure = `${threads ?? 'all'} threads, ${structureOf(inputs)}`;
    const session = this.sessions.get(structure) ?? this.make(structure, record, threads);
    this.sessions.delete(structure);
    this.sessions.set(structure, session); // the last one used comes last
    await this.releaseOldest();
    return session;
  }

  async dispose(): Promise<void> {
    const all = [...this.sessions.values()];
    this.sessions.clear();
    await Promise.all(all.map((each) => this.release(each)));
  }

  private make(structure: string, record: () => Promise<Recorded>, threads?: number): Promise<Session> {
    const session = record().then((recorded) => this.host.create(recorded, threads));
    session.catch(() => this.sessions.delete(structure)); // tried again next time; the caller sees this error
    return session;
  }

  private async releaseOldest(): Promise<void> {
    const [oldest] = this.sessions;
    if (this.sessions.size <= this.most || oldest === undefined) return;
    this.sessions.delete(oldest[0]);
    await this.release(oldest[1]);
  }

  private async release(session: Promise<Session>): Promise<void> {
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
  private readonly underWay = new UnderWay();
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
    return await this.underWay.track(this.compiled(inputs));
  }

  private async compiled(inputs: Host<I>): Promise<Host<O>> {
    const session = await this.cache.get(inputs, async () => ({ traced: this.trace(inputs) }));
    return (await this.host.run(session, inputs)) as Host<O>;
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
    if (!this.turns.dispose()) return;
    await this.underWay.settled();
    await this.cache.dispose();
  }
}
