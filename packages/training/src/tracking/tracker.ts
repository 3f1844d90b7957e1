/** How what was tracked ended. */
export type TrackedOutcome = 'finished' | 'failed' | 'interrupted';

/** What is tracked: a training, or an evaluation of one. */
export interface TrackedRun {
  /** For people. */
  readonly name: string;
  /** Group of runs that are compared. */
  readonly experiment: string;
  /** Where the tracker keeps what it needs to go on with the same run. */
  readonly folder: string;
  /** Options, by dotted name. */
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly tags: Readonly<Record<string, string>>;
  /**
   * `new`: another run than any before. `continue`: the run that the folder knows goes on. `extend`: the run that the
   * folder knows, which has ended, gets further numbers. Where the folder knows none, the last two make one.
   */
  readonly kind: 'new' | 'continue' | 'extend';
}

/**
 * Tells a server how a run goes. No call waits for the server, and none throws: a run must be the same without a server,
 * and with one that is slow, or gone. What could not be told is counted, and said at the end.
 */
export interface Tracker {
  begin(run: TrackedRun): void;
  /** Numbers of a step; those that are not finite are left out. */
  metrics(values: Readonly<Record<string, number | null>>, step: number): void;
  /** Sends a file; one that is not there is left out. */
  artifact(name: string, path: string): void;
  /**
   * Waits a few seconds at most for what is still to be told.
   * @returns what a person should know, one sentence each
   */
  end(outcome: TrackedOutcome): Promise<readonly string[]>;
}
