/** Processes that train together; every one calls the same operations in the same order. */
export interface Collective {
  /** From 0. */
  readonly rank: number;
  readonly size: number;
  /** The sum over all ranks, in place in each. */
  allReduceSum(buffer: Float32Array): Promise<void>;
  /** What every rank gives, in the order of the ranks; lengths may differ. */
  allGather(bytes: Uint8Array): Promise<readonly Uint8Array[]>;
  /** What the root gives, in every rank. */
  broadcast(bytes: Uint8Array, root: number): Promise<Uint8Array>;
  barrier(): Promise<void>;
  /** Ends this process's part; with a reason, ends all processes. */
  close(reason?: string): Promise<void>;
}
