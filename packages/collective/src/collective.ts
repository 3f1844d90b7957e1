/**
 * Processes that work together on one thing. Every one of them calls the same operations in the same order: a call
 * waits for that of all others. A process's own calls never overlap, since each waits for the one before.
 */
export interface Collective {
  /** Which of the processes this is, from 0. */
  readonly rank: number;
  /** How many there are. */
  readonly size: number;
  /** Replaces a buffer, of one length in every rank, by the sum over all ranks: the same bits in each. */
  allReduceSum(buffer: Float32Array): Promise<void>;
  /** What every rank gives, in the order of the ranks; lengths may differ. */
  allGather(bytes: Uint8Array): Promise<readonly Uint8Array[]>;
  /** What rank 0 gives, in every rank; what the others give does not count. */
  broadcast(bytes: Uint8Array): Promise<Uint8Array>;
  /** Resolves when every rank has come here. */
  barrier(): Promise<void>;
  /** Ends the processes of all ranks at once, this one included where ranks are processes. */
  abort(exitCode: number): void;
  /** Ends this rank's part, when all ranks are done. */
  close(): Promise<void>;
}

/** Floats of a bucket: 32 MB, large enough for a network's bandwidth, small enough that copying overlaps with it. */
const BUCKET_FLOATS = 8 * 1024 * 1024;

/**
 * The sums over all ranks of many arrays, which stay as they are. They travel in flat buckets: while one is reduced, the
 * next is filled.
 * @param arrays of the same lengths in every rank
 * @param bucketFloats the most floats that travel at once
 * @returns arrays of the same lengths, which share memory
 */
export async function sumOverRanks(
  collective: Pick<Collective, 'allReduceSum'>,
  arrays: readonly Float32Array[],
  bucketFloats = BUCKET_FLOATS,
): Promise<Float32Array[]> {
  const sums = new Float32Array(arrays.reduce((total, { length }) => total + length, 0));
  let filled = 0;
  let sent = 0;
  let underWay: Promise<void> | undefined;
  const send = async (end: number): Promise<void> => {
    await underWay;
    underWay = end > sent ? collective.allReduceSum(sums.subarray(sent, end)) : undefined;
    underWay?.catch(() => undefined); // reported when it is awaited
    sent = end;
  };
  for (const array of arrays) {
    for (let offset = 0; offset < array.length;) {
      const room = Math.min(array.length - offset, sent + bucketFloats - filled);
      sums.set(array.subarray(offset, offset + room), filled);
      offset += room;
      filled += room;
      if (filled - sent === bucketFloats) await send(filled);
    }
  }
  await send(filled);
  await underWay;
  let start = 0;
  return arrays.map(({ length }) => sums.subarray(start, (start += length)));
}
