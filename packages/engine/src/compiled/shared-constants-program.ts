import type { Host, ProductType, Program, PureFunction, TensorTree } from '@drf/tensor';
import { Turns, UnderWay } from '../programs.js';
import { type FixedRecords, SessionCache } from './compiled-program.js';
import { CompiledStepProgram } from './compiled-step-program.js';
import type { DynamicRecord, DynamicRecords } from './dynamic-records.js';
import type { Session, SessionHost } from './session-host.js';

/** Sessions that hold constants: an encoder, whose inputs have one structure, has one for each number of threads. */
const MOST_HEAVY_SESSIONS = 4;

/** What programs in several worker threads know together of the function that they compute. */
export interface FunctionRecords<C extends TensorTree, I extends TensorTree, O extends TensorTree> {
  readonly dynamic: DynamicRecords<C, I, O>;
  readonly fixed: FixedRecords;
}

/**
 * A function with constants of which its sessions need no copy each: they are part of one graph for all sizes of inputs; or,
 * where no such graph is asked for or there is none, they lie in memories that all sessions read, as the state of a step that
 * never changes.
 */
export class SharedConstantsProgram<
  C extends TensorTree,
  I extends TensorTree,
  O extends TensorTree,
> implements Program<I, O> {
  private readonly dynamicSessions: SessionCache;
  private readonly turns = new Turns('Program.run');
  private readonly underWay = new UnderWay();
  private step: CompiledStepProgram<C, I, O> | undefined;
  /** Until the worker has them. */
  private constants: Host<C> | undefined;
  private lastStep: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly host: SessionHost,
    private readonly compute: PureFunction<C, I, O>,
    constants: Host<C>,
    private readonly records: FunctionRecords<C, I, O>,
    private readonly products?: ProductType,
  ) {
    this.constants = constants;
    this.dynamicSessions = new SessionCache(host, MOST_HEAVY_SESSIONS);
  }

  get hasOneGraph(): boolean {
    return this.records.dynamic.isPossible;
  }

  /**
   * Settles once what there is to hold before the first run is in the worker.
   * @throws UnavailableError when it cannot hold the constants
   */
  async load(): Promise<void> {
    if (this.records.dynamic.isPossible) return;
    await this.dynamicSessions.dispose();
    await this.stepProgram().ready;
  }

  /** @param threads of the session that is made; default as the engine's options say */
  async warmUp(example: Host<I>, threads?: number): Promise<void> {
    this.turns.assertUsable();
    await this.underWay.track(this.made(example, threads));
  }

  run(inputs: Host<I>): Promise<Host<O>> {
    return this.runBy(undefined, inputs);
  }

  /** @param threads that compute it; default as the engine's options say */
  async runBy(threads: number | undefined, inputs: Host<I>): Promise<Host<O>> {
    this.turns.assertUsable();
    return this.underWay.track(this.computed(threads, inputs));
  }

  async dispose(): Promise<void> {
    if (!this.turns.dispose()) return;
    await this.underWay.settled();
    await this.dynamicSessions.dispose();
    await this.step?.dispose();
  }

  private async made(example: Host<I>, threads: number | undefined): Promise<void> {
    const { dynamic } = this.records;
    const recorded = await dynamic.find(example)?.recorded;
    if (recorded !== undefined) {
      await this.withSession(threads, recorded, async () => undefined).catch((error: unknown) => dynamic.refuse(error));
    }
    await this.load();
  }

  private async computed(threads: number | undefined, inputs: Host<I>): Promise<Host<O>> {
    const { dynamic } = this.records;
    const recorded = await dynamic.find(inputs)?.recorded;
    if (recorded === undefined) return this.stepBy(threads, inputs);
    const outputs = await this.withSession(threads, recorded, (session) => this.host.run(session, inputs));
    dynamic.isUsed = true;
    return outputs as Host<O>;
  }

  private withSession<Value>(
    threads: number | undefined,
    recorded: DynamicRecord,
    work: (session: Session) => Promise<Value>,
  ): Promise<Value> {
    const make = (): Promise<Session> => this.host.create(recorded, threads);
    return this.dynamicSessions.use(`${threads ?? 'all'} threads, ${recorded.structure}`, make, work);
  }

  /** Runs may overlap here, steps may not. */
  private stepBy(threads: number | undefined, inputs: Host<I>): Promise<Host<O>> {
    const result = this.lastStep.then(() => this.stepProgram().step(inputs, threads));
    this.lastStep = result.catch(() => undefined);
    return result;
  }

  private stepProgram(): CompiledStepProgram<C, I, O> {
    const { host, constants, products, records } = this;
    if (this.step !== undefined || constants === undefined) return this.step as CompiledStepProgram<C, I, O>;
    const compute = (state: C, inputs: I) => ({ state, outputs: this.compute(state, inputs) });
    this.step = new CompiledStepProgram<C, I, O>(host, compute, constants, products, records.fixed);
    this.constants = undefined;
    return this.step;
  }
}
