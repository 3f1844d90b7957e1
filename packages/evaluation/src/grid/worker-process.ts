import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ownModules } from '@drf/tensor';
import type { FromWorker, WorkerAnswers, WorkerProgress, WorkerRequest, WorkerSetting } from './messages.js';

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
  readonly onProgress: (progress: WorkerProgress) => void;
}

const LAST_WORDS = 2000;

/**
 * A worker's garbage is mostly rows of numbers, which die young: collected when memory calls for it and by the worker's
 * own thread, it takes a third less of the cores, which other workers need.
 */
const GARBAGE_COLLECTION = ['--single-threaded-gc', '--no-incremental-marking'];

/** A child process that works for a grid; when it ends by itself, what it was at fails. */
export class WorkerProcess {
  private readonly child: ChildProcess;
  private readonly pending = new Map<number, Pending>();
  private nextId = 0;
  private lastWords = '';
  private ended: string | undefined;

  /** @param script for tests, another program that speaks the same */
  constructor(setting: WorkerSetting, script: URL = SCRIPT) {
    const threads = String(setting.threads);
    this.child = fork(fileURLToPath(script), ownModules(), {
      execArgv: [...process.execArgv, ...GARBAGE_COLLECTION],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      // decoders and numeric libraries keep to the worker's share of the cores, too
      env: { ...process.env, VIPS_CONCURRENCY: threads, OMP_NUM_THREADS: threads },
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
    onProgress: (progress: WorkerProgress) => void = () => undefined,
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
