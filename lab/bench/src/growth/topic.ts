import { timeCalls } from '../measure.js';

/** What one size of an operation cost, in a process of its own. */
export interface SizeCost {
  /** Fastest of the calls: what the machine does beside it only ever adds. */
  readonly milliseconds: number;
  /** Largest resident size of the process, Node and libraries included; of ranks, that of the largest. */
  readonly peakMegabytes: number;
  /** Of ranks: the largest resident size of each. */
  readonly rankMegabytes?: readonly number[];
}

/** Something whose time and memory grow with one size of the work, all others fixed. */
export interface Operation {
  readonly name: string;
  /** What is done, for people. */
  readonly words: string;
  /** The powers of the size by which time and memory may grow. */
  readonly atMost: Growth;
  /** Measures one size in this process, whose peak memory is the size's own only where nothing else ran in it. */
  measure(size: number, calls: number): Promise<SizeCost>;
}

/** Exponents: 1 is linear. */
export interface Growth {
  readonly time: number;
  readonly memory: number;
}

export const LINEAR: Growth = { time: 1, memory: 1 };

/** Operations that grow by the same size. */
export interface Topic {
  readonly name: string;
  /** What is counted, in the plural. */
  readonly unit: string;
  readonly sizes: readonly number[];
  readonly smallest: number;
  readonly operations: readonly Operation[];
  /** The program and words that a measuring process is started behind; default: none. */
  launcher?(size: number): readonly string[];
}

/** Work that is ready to be done again and again. */
export interface Prepared {
  call(number: number): unknown;
  close?(): Promise<unknown>;
}

/** Calls go on until they have taken so long together, so that quick ones are compiled; and no further one begins after that. */
const SHORTEST_MILLISECONDS = 200;
const LONGEST_MILLISECONDS = 3000;

/**
 * An operation that is prepared, called some times (twice at least, since the first call also compiles), and closed.
 * Preparing counts for memory and not for time.
 */
export function calledOperation(
  { name, words, atMost }: Omit<Operation, 'measure'>,
  prepare: (size: number) => Prepared | Promise<Prepared>,
): Operation {
  return {
    name,
    words,
    atMost,
    measure: async (size, calls) => {
      const prepared = await prepare(size);
      const times: number[] = [];
      const isEnough = (spent: number): boolean =>
        times.length >= 2 && (spent > LONGEST_MILLISECONDS || (times.length >= calls && spent > SHORTEST_MILLISECONDS));
      for (let spent = 0; !isEnough(spent); spent += times.at(-1) as number) {
        const number = times.length;
        times.push(...(await timeCalls(async () => prepared.call(number), 1, 0)));
      }
      const peakMegabytes = ownPeakMegabytes();
      await prepared.close?.();
      return { milliseconds: Math.min(...times), peakMegabytes };
    },
  };
}

/** The largest resident size of this process so far, in MiB. */
export function ownPeakMegabytes(): number {
  return process.resourceUsage().maxRSS / 1024;
}
