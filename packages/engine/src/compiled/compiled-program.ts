import {
  flattenTree,
  type Host,
  type HostTensor,
  type HostTree,
  type Program,
  type PureFunction,
  RecentMap,
  type TensorTree,
} from '@drf/tensor';
import type { TracedFunction } from '../graph/graph.js';
import { QuantizedMatrices } from '../onnx/int8.js';
import { trace } from '../trace/trace.js';
import { Turns, UnderWay } from '../programs.js';
import { type Recorded, recordedOf, type Session, type SessionHost } from './session-host.js';

/** Sessions that a program keeps; beyond that, the one that was used longest ago is released, once no run needs it. */
const MOST_SESSIONS = 16;
/** The same of a program whose sessions hold neither constants nor memory between runs; and records that such programs share. */
export const MOST_LIGHT_SESSIONS = 32;

/** What a trace depends on: the names, types and shapes of the inputs. */
export function structureOf(inputs: HostTree): string {
  const leaves = [...flattenTree<HostTensor>(inputs)];
  return leaves.map(([name, { dtype, shape }]) => `${name}:${dtype}[${shape.join()}]`).join(' ');
}

/** One record for each structure of inputs, for programs in several worker threads, which each make sessions of it. */
export class FixedRecords {
  readonly quantized = new QuantizedMatrices();
  private readonly kept = new RecentMap<string, Promise<Recorded>>(MOST_LIGHT_SESSIONS);

  /** The record for inputs like these; `record` runs when their structure is met for the first time. */
  of(inputs: HostTree, record: () => Promise<Recorded>): Promise<Recorded> {
    const structure = structureOf(inputs);
    const known = this.kept.get(structure);
    if (known !== undefined) return known;
    const recorded = record();
    void this.kept.set(structure, recorded);
    recorded.catch(() => this.kept.delete(structure, recorded)); // tried again next time; the caller sees this error
    return recorded;
  }
}

/** A session, and how many use it now. */
interface Kept {
  readonly session: Promise<Session>;
  users: number;
  /** No longer in the cache, be it for another one or as the program ends: the last user releases it. */
  isDropped: boolean;
}

/** A session for each structure of inputs. */
export class SessionCache {
  private readonly kept: RecentMap<string, Kept>;

  constructor(
    private readonly host: SessionHost,
    most = MOST_SESSIONS,
  ) {
    this.kept = new RecentMap(most);
  }

  /**
   * Works with the session for inputs of this structure, which stays until that is done.
   * @param make runs when their structure is met for the first time
   */
  async use<Value>(
    structure: string,
    make: () => Promise<Session>,
    work: (session: Session) => Promise<Value>,
  ): Promise<Value> {
    const known = this.kept.get(structure) ?? this.made(structure, make());
    known.users++;
    try {
      const dropped = this.kept.set(structure, known);
      if (dropped !== undefined) await this.drop(dropped);
      return await work(await known.session);
    } finally {
      known.users--;
      if (known.isDropped) await this.drop(known);
    }
  }

  async dispose(): Promise<void> {
    await Promise.all(this.kept.clear().map((each) => this.drop(each)));
  }

  private made(structure: string, session: Promise<Session>): Kept {
    const kept = { session, users: 0, isDropped: false };
    session.catch(() => this.kept.delete(structure, kept)); // tried again next time; the caller sees this error
    return kept;
  }

  /** Releases a session that nobody uses. Where that fails, the session's thread has ended, and with it the session. */
  private async drop(kept: Kept): Promise<void> {
    kept.isDropped = true;
    if (kept.users > 0) return;
    const created = await kept.session.catch(() => undefined);
    if (created !== undefined) await this.host.release(created).catch(() => undefined);
  }
}

/** A function whose constants are part of its graph; it is traced once for each structure of its inputs. */
export class CompiledProgram<C extends TensorTree, I extends TensorTree, O extends TensorTree> implements Program<
  I,
  O
> {
  private readonly turns = new Turns('Program.run');
  private readonly underWay = new UnderWay();
  private readonly cache: SessionCache;
  private first: { readonly structure: string; readonly traced: TracedFunction } | undefined;

  constructor(
    private readonly host: SessionHost,
    private readonly compute: PureFunction<C, I, O>,
    private readonly constants: Host<C>,
  ) {
    this.cache = new SessionCache(host);
  }

  async run(inputs: Host<I>): Promise<Host<O>> {
    this.turns.assertUsable();
    return await this.underWay.track(this.compiled(inputs));
  }

  private async compiled(inputs: Host<I>): Promise<Host<O>> {
    const make = async (): Promise<Session> => this.host.create(recordedOf(this.trace(inputs)));
    const result = await this.cache.use(structureOf(inputs), make, (session) => this.host.run(session, inputs));
    return result as Host<O>;
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
