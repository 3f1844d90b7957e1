import type { Host, ProductType, Program, PureFunction, RunOptions, TensorTree } from '@drf/tensor';
import { Turns, UnderWay } from '../programs.js';
import { type FunctionRecords, SharedConstantsProgram } from './shared-constants-program.js';
import type { SessionHost } from './session-host.js';

/** What a function's copies of its constants take at most, beside the first: those of lanes, and of a run that is alone. */
const MOST_BYTES_OF_COPIES = 2 ** 29;
const MOST_LANES = 8;
/** Threads of a run with small constants: with more, sums of matrices as narrow as 384 columns have another order, unless the weights are part of the graph. */
const MOST_THREADS = 4;
/** The same with constants of which two fit: of 768 columns. */
const MOST_THREADS_OF_TWO = 8;

/**
 * How many lanes the memory for copies is enough for.
 * @param bytes that a lane's constants take
 * @param others bytes of copies that are no lane's
 */
export function lanesWithin(bytes: number, threads: number, others = 0): number {
  return Math.max(1, Math.min(threads, MOST_LANES, 1 + Math.floor((MOST_BYTES_OF_COPIES - others) / bytes)));
}

/**
 * Threads of a run among others, and of one that is alone: no more than change no bit of what usually comes with constants
 * of which there are so many copies.
 */
export function threadsFor(
  lanes: number,
  threads: number,
  products?: ProductType,
): { readonly share: number; readonly alone: number } {
  const most = lanes > 2 ? MOST_THREADS : lanes === 2 ? MOST_THREADS_OF_TWO : Infinity;
  const share = Math.max(1, Math.min(Math.floor(threads / lanes), most));
  // in int8, operations are too short to be divided
  return { share, alone: products === 'int8' ? share : Math.max(share, Math.min(threads, MOST_THREADS)) };
}

/**
 * How many runs are computed at once, where a run that is alone may have a copy of the constants, too.
 * @param bytes that a copy takes
 * @param inGraph whether they are part of sessions' graphs
 */
export function lanesFor(bytes: number, threads: number, inGraph: boolean, products?: ProductType): number {
  const lanes = lanesWithin(bytes, threads);
  const { share, alone } = threadsFor(lanes, threads, products);
  return inGraph && alone !== share ? lanesWithin(bytes, threads, bytes) : lanes;
}

interface Waiting {
  /** A program of fewer lanes takes the first ones, so all others take the last one that is free. */
  readonly lanes: number;
  readonly start: (lane: number) => void;
}

/** Worker threads of an engine that compute side by side, one run at a time each; all its parallel programs share them. */
export class Lanes {
  private readonly hosts: SessionHost[] = [];
  private readonly busy = new Set<number>();
  private readonly waiting: Waiting[] = [];
  /** Why a lane's thread has ended. Then no lane computes any more: that one would fail at once whatever waits. */
  private failure: unknown;

  constructor(private readonly makeHost: () => SessionHost) {}

  host(lane: number): SessionHost {
    return (this.hosts[lane] ??= this.makeHost());
  }

  /** Works on one of so many lanes that is free; who waits is served in order. @throws what ended a lane's thread */
  async use<Value>(lanes: number, work: (lane: number, isIdle: boolean) => Promise<Value>): Promise<Value> {
    const isIdle = this.busy.size === 0;
    const lane = this.take(lanes) ?? (await new Promise<number>((start) => this.waiting.push({ lanes, start })));
    try {
      if (this.failure !== undefined) throw this.failure;
      return await work(lane, isIdle);
    } catch (error) {
      if (this.hosts[lane]?.isGone === true) this.failure ??= error;
      throw error;
    } finally {
      this.release(lane);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.close()));
  }

  private take(lanes: number): number | undefined {
    const free = Array.from({ length: lanes }, (_, lane) => lane).findLast((lane) => !this.busy.has(lane));
    if (free !== undefined) this.busy.add(free);
    return free;
  }

  private release(lane: number): void {
    const next = this.waiting.findIndex(({ lanes }) => lane < lanes);
    if (next === -1) this.busy.delete(lane);
    else this.waiting.splice(next, 1)[0]?.start(lane);
  }
}

/** A function whose runs are computed side by side, each by one of several worker threads with constants of its own. */
export class ParallelProgram<C extends TensorTree, I extends TensorTree, O extends TensorTree> implements Program<
  I,
  O
> {
  private readonly turns = new Turns('Program.run');
  private readonly copies: readonly SharedConstantsProgram<C, I, O>[];
  private readonly threads: { readonly share: number; readonly alone: number };
  private readonly underWay = new UnderWay();

  /** @param threads of all lanes together */
  constructor(
    private readonly lanes: Lanes,
    readonly parallelRuns: number,
    threads: number,
    compute: PureFunction<C, I, O>,
    constants: Host<C>,
    private readonly records: FunctionRecords<C, I, O>,
    products?: ProductType,
  ) {
    this.threads = threadsFor(parallelRuns, threads, products);
    this.copies = Array.from(
      { length: parallelRuns },
      (_, lane) => new SharedConstantsProgram<C, I, O>(lanes.host(lane), compute, constants, records, products),
    );
  }

  get hasOneGraph(): boolean {
    return this.records.dynamic.isPossible;
  }

  /** @throws UnavailableError when a worker cannot hold the constants: its lane would fail whatever it is given */
  async load(): Promise<void> {
    await Promise.all(this.copies.map((copy) => copy.load()));
  }

  /** Each lane makes its session, and the one that takes runs which are alone another for these. */
  async warmUp(inputs: Host<I>): Promise<void> {
    this.turns.assertUsable();
    await this.underWay.track(this.made(inputs));
  }

  async run(inputs: Host<I>, { alone = false }: RunOptions = {}): Promise<Host<O>> {
    this.turns.assertUsable();
    return await this.underWay.track(
      this.lanes.use(this.parallelRuns, (lane, isIdle) => {
        const copy = this.copies[lane] as SharedConstantsProgram<C, I, O>;
        return copy.runBy(alone && isIdle ? this.threads.alone : this.threads.share, inputs);
      }),
    );
  }

  private async made(inputs: Host<I>): Promise<void> {
    const { share, alone } = this.threads;
    await Promise.all(this.copies.map((copy) => copy.warmUp(inputs, share)));
    if (alone !== share) await this.copies.at(-1)?.warmUp(inputs, alone);
    await this.load(); // if one lane could not make its session, none may use its own
  }

  async dispose(): Promise<void> {
    if (!this.turns.dispose()) return;
    await this.underWay.settled();
    await Promise.all(this.copies.map((copy) => copy.dispose()));
  }
}
