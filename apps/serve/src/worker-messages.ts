import type { Failure, MetricsOfOne, ModelIdentity, ReloadResult } from '@drf/service';
import type { ServeOptions } from './serve.js';

/** {@link ServeOptions} as they go to another process. */
export interface WorkerOptions extends Omit<ServeOptions, 'log' | 'group'> {
  readonly logLevel: string | undefined;
}

/** What workers know of each other. */
export interface GroupStatus {
  /** Workers that take posts. */
  readonly ready: number;
  readonly restarts: number;
  readonly primaryResidentBytes: number;
}

export type ToWorker =
  | { readonly type: 'serve'; readonly options: WorkerOptions; readonly worker: number; readonly workers: number }
  | { readonly type: 'reload' }
  | { readonly type: 'close'; readonly graceMilliseconds: number }
  | { readonly type: 'status'; readonly status: GroupStatus }
  | { readonly type: 'collect'; readonly id: number }
  | { readonly type: 'metrics'; readonly id: number; readonly text: string };

export type FromWorker =
  /** Can be told something: what was said before is lost, since Node's cluster listens before the program does. */
  | { readonly type: 'loaded' }
  | { readonly type: 'listening'; readonly address: string; readonly model: ModelIdentity | null }
  | { readonly type: 'refused'; readonly failure: Failure }
  | { readonly type: 'reloaded'; readonly result: ReloadResult }
  | { readonly type: 'reload-refused'; readonly failure: Failure }
  | { readonly type: 'ready'; readonly isReady: boolean }
  /** Answers `collect`. */
  | { readonly type: 'collected'; readonly id: number; readonly metrics: MetricsOfOne }
  /** Asks for the metrics of all. */
  | { readonly type: 'metrics'; readonly id: number };
