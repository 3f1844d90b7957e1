import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ExperimentConfig } from '@drf/experiment';
import { ownModules } from '@drf/tensor';
import { threadVariables, WORKER_OPTIONS, type UnitProgress } from '@drf/units';
import type { TaskSetting } from './perform.js';
import type { ExperimentFacts, TrialOutcome, TrialTask } from './tasks.js';

/** What every worker is told first. */
export interface WorkerSetting extends TaskSetting {
  /** Threads of the engine. */
  readonly threads: number;
  /** Features held in memory, in bytes. */
  readonly memoryBytes: number;
}

/** What a worker is asked for. */
export type WorkerRequest =
  | { readonly kind: 'describe'; readonly config: ExperimentConfig }
  | { readonly kind: 'prepare'; readonly config: ExperimentConfig }
  | { readonly kind: 'trial'; readonly task: TrialTask };

/** Answers by the kind of the request. */
export interface WorkerAnswers {
  readonly describe: ExperimentFacts;
  readonly prepare: { readonly unreadable: readonly string[] };
  readonly trial: TrialOutcome;
}

export type ToWorker = { readonly setting: WorkerSetting } | { readonly id: number; readonly request: WorkerRequest };

export type FromWorker =
  | { readonly id: number; readonly progress: UnitProgress }
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly failure: { readonly message: string; readonly isBug: boolean } };

/** Source runs from source, the built package from what was built. */
const SCRIPT = new URL(`./worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

/** A task that its worker could not do. */
export class TaskFailure extends Error {
  /** @param crashed whether the process itself ended, so that another try may work */
  constructor(
    message: string,
    readonly crashed: boolean,
  ) {
    super(message);
  }
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: TaskFailure) => void;
  readonly onProgress: (progress: UnitProgress) => void;
}

const LAST_WORDS = 2000;

/** A child process that describes experiments, and trains trials of a tuning; when it ends by itself, what it was at fails. */
export class WorkerProcess {
  private readonly child: ChildProcess;
  private readonly pending = new Map<number, Pending>();
  private nextId = 0;
  private lastWords = '';
  private ended: string | undefined;

  /** @param script for tests, another program that speaks the same */
  constructor(setting: WorkerSetting, script: URL = SCRIPT) {
    this.child = fork(fileURLToPath(script), ownModules(), {
      execArgv: [...process.execArgv, ...WORKER_OPTIONS],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, ...threadVariables(setting.threads) },
    });
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.lastWords = (this.lastWords + chunk.toString('utf8')).slice(-LAST_WORDS);
    });
    this.child.on('message', (message: FromWorker) => this.take(message));
    this.child.on('error', (error) => this.end(`could not run: ${error.message}`));
    this.child.on('exit', (code, signal) => this.end(signal === null ? `exit code ${code}` : `signal ${signal}`));
    this.child.send({ setting });
  }

  get isAlive(): boolean {
    return this.ended === undefined;
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** @throws TaskFailure with the worker's message, or with how its process ended */
  ask<Request extends WorkerRequest>(
    request: Request,
    onProgress: (progress: UnitProgress) => void = () => undefined,
  ): Promise<WorkerAnswers[Request['kind']]> {
    return new Promise((resolve, reject) => {
      if (this.ended !== undefined) return reject(this.crash());
      const id = this.nextId++;
      this.pending.set(id, { resolve: resolve as (value: unknown) => void, reject, onProgress });
      this.child.send({ id, request }, (error) => {
        if (error !== null && this.pending.delete(id)) reject(new TaskFailure(error.message, true));
      });
    });
  }

  /** Ends the process at once; what it was at fails. */
  async stop(): Promise<void> {
    if (this.ended !== undefined) return;
    const gone = new Promise<void>((resolve) => this.child.once('exit', () => resolve()));
    this.child.kill('SIGTERM');
    await gone;
  }

  private take(message: FromWorker): void {
    const pending = this.pending.get(message.id);
    if (pending === undefined) return;
    if ('progress' in message) return pending.onProgress(message.progress);
    this.pending.delete(message.id);
    if ('failure' in message) pending.reject(new TaskFailure(message.failure.message, false));
    else pending.resolve(message.value);
  }

  private end(how: string): void {
    this.ended ??= how;
    const all = [...this.pending.values()];
    this.pending.clear();
    for (const { reject } of all) reject(this.crash());
  }

  private crash(): TaskFailure {
    const words = this.lastWords.trim();
    return new TaskFailure(`the worker process ended: ${this.ended}${words === '' ? '' : `; it said: ${words}`}`, true);
  }
}

/** A task that failed for good. */
export interface Failure<Task> {
  readonly task: Task;
  readonly reason: string;
}

export interface WorkOptions<Task> {
  readonly workers: number;
  readonly start: () => WorkerProcess;
  readonly tasks: readonly Task[];
  /** Does one task in one of the places for workers; a rejection with a {@link TaskFailure} is the task's, any other ends everything. */
  readonly perform: (worker: WorkerProcess, task: Task, place: number) => Promise<void>;
  /** How often a task is tried again after its process ended (1). */
  readonly retries?: number;
  readonly onFailure?: (failure: Failure<Task>) => void;
  /** Takes a process that has no more to do, in place of ending it. */
  readonly release?: (worker: WorkerProcess) => void;
  readonly signal?: AbortSignal;
}

/**
 * Works tasks off in their order with several processes. A process that ends fails only the task it was at, which is
 * tried again in a new one.
 * @returns tasks that failed for good; those not begun when the signal aborts are left out
 */
export async function workOff<Task>(options: WorkOptions<Task>): Promise<Failure<Task>[]> {
  const { workers, tasks, retries = 1, signal } = options;
  const queue = tasks.map((task) => ({ task, tries: 0 }));
  const failures: Failure<Task>[] = [];
  const running = new Set<WorkerProcess>();
  let fatal: unknown;
  const stopAll = (): void => void [...running].map((worker) => worker.stop());
  const workAt = async (place: number): Promise<void> => {
    let worker: WorkerProcess | undefined;
    for (let next = queue.shift(); next !== undefined && !isOver(); next = queue.shift()) {
      if (worker?.isAlive !== true) {
        if (worker !== undefined) running.delete(worker);
        running.add((worker = options.start()));
      }
      try {
        await options.perform(worker, next.task, place);
      } catch (error) {
        if (isOver()) break;
        if (!(error instanceof TaskFailure)) {
          fatal = error;
          stopAll();
          break;
        }
        if (error.crashed && next.tries < retries) {
          queue.unshift({ task: next.task, tries: next.tries + 1 });
          continue;
        }
        const failure = { task: next.task, reason: error.message };
        failures.push(failure);
        options.onFailure?.(failure);
      }
    }
    if (worker?.isAlive !== true || isOver() || options.release === undefined) return worker?.stop();
    running.delete(worker);
    options.release(worker);
  };
  const isOver = (): boolean => signal?.aborted === true || fatal !== undefined;
  signal?.addEventListener('abort', stopAll);
  try {
    await Promise.all(Array.from({ length: Math.min(workers, tasks.length) }, (_, place) => workAt(place)));
  } finally {
    signal?.removeEventListener('abort', stopAll);
    await Promise.all([...running].map((worker) => worker.stop()));
  }
  if (fatal !== undefined) throw fatal;
  return failures;
}
