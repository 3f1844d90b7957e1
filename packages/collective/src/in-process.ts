import { DrfError, refuser } from '@drf/tensor';
import type { Collective } from './collective.js';

type Contribution = Float32Array | Uint8Array;

/** What one rank brings to a call, and how it hears of the others'. */
interface Arrival {
  readonly operation: string;
  readonly own: Contribution;
  readonly resolve: (all: readonly Contribution[]) => void;
  readonly reject: (error: Error) => void;
}

/** A rank called something else than the others, or ended while they waited. */
export class CollectiveError extends DrfError {
  static override readonly code: string = 'collective';
}

/**
 * Ranks within one process, as if each were a process of its own: for tests, and for programs that want to see what
 * several ranks would do. Sums are taken in the order of the ranks. A rank alone, `inProcess(1)`, waits for nobody.
 *
 * ```ts
 * const ranks = inProcess(2);
 * await Promise.all(ranks.map((own) => own.allGather(Uint8Array.of(own.rank)))); // each: [[0], [1]]
 * ```
 * @throws (each operation) CollectiveError when ranks call different operations, or one has aborted
 */
export function inProcess(size: number): Collective[] {
  const meetings: (Arrival | undefined)[][] = []; // by the number of the call
  let ended: CollectiveError | undefined;
  const fail = (error: CollectiveError): void => {
    ended = error;
    for (const arrival of meetings.flat()) arrival?.reject(error);
  };
  const meet = (call: number, rank: number, operation: string, own: Contribution): Promise<readonly Contribution[]> => {
    if (ended !== undefined) return Promise.reject(ended);
    return new Promise((resolve, reject) => {
      const arrivals = (meetings[call] ??= Array.from({ length: size }, () => undefined));
      arrivals[rank] = { operation, own, resolve, reject };
      const present = arrivals.flatMap((arrival) => arrival ?? []);
      const other = present.find((arrival) => arrival.operation !== operation);
      if (other !== undefined) {
        fail(refuser(CollectiveError, `Call ${call + 1} of rank ${rank}`)(other.operation, operation));
        return;
      }
      if (present.length < size) return;
      delete meetings[call];
      for (const arrival of present) arrival.resolve(present.map((each) => each.own));
    });
  };
  const rankOf = (rank: number): Collective => {
    let calls = 0;
    let last: Promise<unknown> = Promise.resolve();
    const call = (operation: string, own: Contribution): Promise<readonly Contribution[]> => {
      const result = last.then(() => meet(calls++, rank, operation, own));
      last = result.catch(() => undefined);
      return result;
    };
    const bytesOf = (own: Contribution): Uint8Array => Uint8Array.from(own as Uint8Array);
    return {
      rank,
      size,
      allReduceSum: async (buffer) => {
        const all = await call(`allReduceSum of ${buffer.length} floats`, buffer.slice());
        buffer.set(all[0] as Float32Array);
        for (const own of all.slice(1)) for (let i = 0; i < buffer.length; i++) buffer[i] = (buffer[i] as number) + (own[i] as number); // prettier-ignore
      },
      allGather: async (bytes) => (await call('allGather', bytes)).map(bytesOf),
      broadcast: async (bytes) => bytesOf((await call('broadcast', bytes))[0] as Uint8Array),
      barrier: async () => void (await call('barrier', new Uint8Array(0))),
      abort: (exitCode) => {
        fail(refuser(CollectiveError, 'Ranks')('to work to the end', `rank ${rank} ended them with code ${exitCode}`));
      },
      close: async () => void (await call('close', new Uint8Array(0))),
    };
  };
  return Array.from({ length: size }, (_, rank) => rankOf(rank));
}
