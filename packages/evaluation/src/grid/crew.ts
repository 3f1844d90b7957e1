import { TaskFailure, type WorkerProcess } from './worker-process.js';

/** A task that failed for good. */
export interface Failure<Task> {
  readonly task: Task;
  readonly reason: string;
}

export interface CrewOptions<Task> {
  readonly workers: number;
  readonly start: () => WorkerProcess;
  readonly tasks: readonly Task[];
  /** Does one task; a rejection with a {@link TaskFailure} is the task's, any other ends everything. */
  readonly perform: (worker: WorkerProcess, task: Task, lane: number) => Promise<void>;
  /** How often a task is tried again after its process ended (1). */
  readonly retries?: number;
  readonly onFailure?: (failure: Failure<Task>) => void;
  readonly signal?: AbortSignal;
}

/**
 * Works tasks off in their order with several processes. A process that ends fails only the task it was at, which is
 * tried again in a new one.
 * @returns tasks that failed for good; those not begun when the signal aborts are left out
 */
export async function workOff<Task>(options: CrewOptions<Task>): Promise<Failure<Task>[]> {
  const { workers, tasks, retries = 1, signal } = options;
  const queue = tasks.map((task) => ({ task, tries: 0 }));
  const failures: Failure<Task>[] = [];
  const running = new Set<WorkerProcess>();
  let fatal: unknown;
  const stopAll = (): void => void [...running].map((worker) => worker.stop());
  const lane = async (index: number): Promise<void> => {
    let worker: WorkerProcess | undefined;
    for (let next = queue.shift(); next !== undefined && !isOver(); next = queue.shift()) {
      if (worker?.isAlive !== true) {
        if (worker !== undefined) running.delete(worker);
        running.add((worker = options.start()));
      }
      try {
        await options.perform(worker, next.task, index);
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
    await worker?.stop();
  };
  const isOver = (): boolean => signal?.aborted === true || fatal !== undefined;
  signal?.addEventListener('abort', stopAll);
  try {
    await Promise.all(Array.from({ length: Math.min(workers, tasks.length) }, (_, index) => lane(index)));
  } finally {
    signal?.removeEventListener('abort', stopAll);
    await Promise.all([...running].map((worker) => worker.stop()));
  }
  if (fatal !== undefined) throw fatal;
  return failures;
}
