import { Worker } from 'node:worker_threads';
import { UnavailableError } from '@drf/tensor';

/** What a worker thread can be asked, and what it needs for that. */
export type Request = { readonly kind: string } & Readonly<Record<string, unknown>>;

interface Failure {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
}

interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: Failure;
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly kind: string;
  readonly calledAt: Error;
}

/** The worker's script lies beside `src` and `dist`, so both find it at the same place. */
const SCRIPT = new URL('../../worker/session-worker.js', import.meta.url);

/** An error as it was in the worker, so that its stack there is not lost. */
function inWorker({ name, message, stack }: Failure): Error {
  const error = new Error(message);
  error.name = name;
  error.stack = stack;
  return error;
}

function failed(kind: string, failure: Error, calledAt: Error): UnavailableError {
  const error = new UnavailableError(
    {
      subject: `ONNX Runtime, request "${kind}",`,
      expected: 'success',
      received: failure.message,
      remedy: 'compare with an eager engine (such as "eager:wasm"), and report the difference',
    },
    { cause: failure },
  );
  const called = (calledAt.stack ?? '').split('\n').slice(1).join('\n');
  error.stack = `${error.name}: ${error.message}\n${called}\n  in the worker thread: ${failure.stack ?? ''}`;
  return error;
}

/** A worker thread that runs ONNX Runtime. It does not keep the process alive while it waits. */
export class WorkerClient {
  private readonly worker: Worker;
  private readonly pending = new Map<number, Pending>();
  private nextId = 0;
  private gone: Error | undefined;

  constructor() {
    // loaders of the main thread (TypeScript, test runners) have no business in this one
    this.worker = new Worker(SCRIPT, { execArgv: [] });
    this.worker.unref();
    this.worker.on('message', (reply: Reply) => this.settle(reply));
    this.worker.on('error', (error: Error) => this.fail(error));
    this.worker.on('exit', (code) => this.fail(new Error(`the worker thread has ended with code ${code}`)));
  }

  /** @throws UnavailableError with the worker's message, its stack there, and the caller's. */
  ask<T>(request: Request, transfer: readonly ArrayBuffer[] = []): Promise<T> {
    const calledAt = new Error(request.kind);
    return new Promise<T>((resolve, reject) => {
      if (this.gone !== undefined) return reject(failed(request.kind, this.gone, calledAt));
      const id = this.nextId++;
      this.pending.set(id, { resolve: resolve as (value: unknown) => void, reject, kind: request.kind, calledAt });
      this.worker.ref();
      this.worker.postMessage({ ...request, id }, [...transfer]);
    });
  }

  async close(): Promise<void> {
    if (this.gone !== undefined) return;
    const ended = new Promise<void>((resolve) => this.worker.once('exit', () => resolve()));
    await this.ask({ kind: 'close' });
    this.worker.ref();
    await ended;
  }

  private settle({ id, value, error }: Reply): void {
    const pending = this.pending.get(id);
    if (pending === undefined) return;
    this.pending.delete(id);
    if (this.pending.size === 0) this.worker.unref();
    if (error === undefined) pending.resolve(value);
    else pending.reject(failed(pending.kind, inWorker(error), pending.calledAt));
  }

  private fail(error: Error): void {
    this.gone ??= error;
    const all = [...this.pending.values()];
    this.pending.clear();
    for (const { reject, kind, calledAt } of all) reject(failed(kind, error, calledAt));
  }
}
