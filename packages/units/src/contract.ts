import type { Storage } from '@drf/files';

/** A piece of work that may be done any number of times, anywhere, and whose result is there once. */
export interface Unit {
  /** Hash of everything that decides its result. */
  readonly address: string;
  /** Where its result appears, whole or not at all, below the plan's storage. Where it is, the unit is done. */
  readonly output: string;
  /** Units of stage 0 are over (done, or given up) before those of stage 1 begin, and so on. */
  readonly stage: number;
  /** For people: "mvsa-s drf, seed 3". */
  readonly label: string;
  /** JSON; what it holds is between the plan's maker and the unit's kind. */
  readonly input: unknown;
}

/** What a unit takes of a machine. */
export interface UnitResources {
  readonly cores: number;
  readonly gpus: number;
  readonly memoryBytes: number;
}

/** Units of one kind, with what they share. Never changed once published; named by its hash. */
export interface Plan {
  /** Of the units: `train`, `score`. */
  readonly kind: string;
  /** Version of the code that made it; units are refused by any other. */
  readonly code: string;
  readonly resources: UnitResources;
  /** JSON that all units share. */
  readonly settings: unknown;
  readonly units: readonly Unit[];
}

/** A plan that lies as `plans/HASH.json` in the storage that its units' outputs go to. */
export interface PublishedPlan extends Plan {
  readonly hash: string;
  readonly storage: Storage;
  /** The file: an absolute path, or `s3://…`. */
  readonly location: string;
}

/** How far a unit is. */
export interface UnitProgress {
  readonly what: string;
  readonly done: number;
  readonly total: number;
}

/** What a unit is told while it works. */
export interface UnitSurroundings {
  readonly plan: PublishedPlan;
  /** Threads that it may use. */
  readonly threads: number;
  readonly signal?: AbortSignal;
  report(progress: UnitProgress): void;
}

/** How units of a kind are done. */
export interface UnitKind {
  readonly kind: string;
  readonly code: string;
  /** Called once a process: opens what all units of the plan need. */
  open(around: Omit<UnitSurroundings, 'signal' | 'report'>): Promise<UnitWorker>;
}

export interface UnitWorker {
  /**
   * Does a unit and publishes its output whole.
   * @throws DrfError for what another try cannot mend; any other error means: try again
   */
  perform(unit: Unit, around: UnitSurroundings): Promise<void>;
  close(): Promise<void>;
}

/** Exit codes of a unit's process: done; never again (bad data or configuration); try again. A signal means: try again. */
export const UNIT_EXIT = { done: 0, never: 65, again: 75 } as const;

/** What happens to units while a runner works. */
export type UnitEvent =
  | { readonly kind: 'started' | 'done'; readonly index: number; readonly where?: string }
  | { readonly kind: 'progress'; readonly index: number; readonly progress: UnitProgress }
  | { readonly kind: 'again' | 'failed'; readonly index: number; readonly reason: string };

/** A unit that was given up. */
export interface UnitFailure {
  readonly index: number;
  readonly reason: string;
}

export interface RunnerJob {
  readonly plan: PublishedPlan;
  /** Units whose outputs are not there yet. */
  readonly due: readonly number[];
  /** The program that does one unit: `node UNIT.js PLAN INDEX`. */
  readonly program: URL;
  /** Units at a time; default: as many as fit. */
  readonly lanes: number | undefined;
  readonly signal?: AbortSignal;
  onEvent(event: UnitEvent): void;
}

/** An engine that does units, each at least once. */
export interface Runner {
  /** As `--on` names it. */
  readonly name: string;
  /** Whether it leaves the work to others, so that what is not there after it is no failure. */
  readonly onlyPlans?: boolean;
  /**
   * Does the units, stage by stage.
   * @returns the units that were given up; those not begun when the signal aborts are left out
   * @throws DrfError when the engine itself does not work
   */
  run(job: RunnerJob): Promise<readonly UnitFailure[]>;
}
