const FIRST_DELAY = 1_000;
const LONGEST_DELAY = 30_000;
/** Who lived so long has nothing to do with those before. */
const STEADY_MILLISECONDS = 60_000;

/** How long to wait before a process that ended is started anew: not at all, or 1, 2, 4, … 30 s where it ends again soon. */
export class RestartDelay {
  /** Ends in a row, each soon after the start. */
  private ends = 0;

  /**
   * @param livedMilliseconds of the process that ended
   * @param isOwnFault false: it was ended for a reason of ours, which says nothing about the next one
   * @returns milliseconds
   */
  next(livedMilliseconds: number, isOwnFault = true): number {
    if (livedMilliseconds >= STEADY_MILLISECONDS || !isOwnFault) this.ends = 0;
    const wait = this.ends === 0 ? 0 : Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** (this.ends - 1));
    if (isOwnFault) this.ends += 1;
    return wait;
  }
}
