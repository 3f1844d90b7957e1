import { Worker } from 'node:worker_threads';
import { UnavailableError } from '@drf/tensor';
import { settleEnvironment } from '../runtime.js';
import type { Answer, AnswerTo, Message, Reply, Request } from './protocol.js';

interface Pending {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
  readonly kind: string;
  readonly calledAt: Error;
}

/** In this repository's sources the worker is TypeScript as this file is, which the repository's loader runs. */
const FROM_SOURCE = import.meta.url.endsWith('.ts');
const SCRIPT = new URL(FROM_SOURCE ? 'worker.ts' : 'worker.js', import.meta.url);
/** No other loaders: those of the main thread (such as a test runner's) have no business in this one. */
const LOADER = FROM_SOURCE ? ['--import', new URL('../../../../scripts/from-source.mjs', import.meta.url).href] : [];

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
    settleEnvironment();
    this.worker = new Worker(SCRIPT, { execArgv: LOADER });
    this.worker.unref();
    this.worker.on('message', (reply: Reply) => this.settle(reply));
    this.worker.on('error', (error: Error) => this.fail(error));
    this.worker.on('exit', (code) => this.fail(new Error(`the worker thread has ended with code ${code}`)));
  }

  /** @throws UnavailableError with the worker's message, its stack there, and the caller's. */
  ask<R extends Request>(request: R, transfer: readonly ArrayBuffer[] = []): Promise<AnswerTo<R>> {
    const { kind } = request;
    const calledAt = new Error(kind);
    return new Promise<AnswerTo<R>>((resolve, reject) => {
      if (this.gone !== undefined) return reject(failed(kind, this.gone, calledAt));
      const message: Message = { ...request, id: this.nextId++ };
      this.pending.set(message.id, { resolve: (answer) => resolve(answer as AnswerTo<R>), reject, kind, calledAt });
      this.worker.ref();
      this.worker.postMessage(message, transfer);
    });
  }

  /** Whether the thread has ended; every request fails then. */
  get isGone(): boolean {
    return this.gone !== undefined;
  }

  async close(): Promise<void> {
    if (this.gone !== undefined) return;
    const ended = new Promise<void>((resolve) => this.worker.once('exit', () => resolve()));
    await this.ask({ kind: 'close' });
    this.worker.ref();
    await ended;
  }

  private settle(reply: Reply): void {
    const pending = this.pending.get(reply.id);
    if (pending === undefined) return;
    this.pending.delete(reply.id);
    if (this.pending.size === 0) this.worker.unref();
    if ('error' in reply) pending.reject(failed(pending.kind, reply.error, pending.calledAt));
    else pending.resolve(reply.answer);
  }

  private fail(error: Error): void {
    this.gone ??= error;
    const all = [...this.pending.values()];
    this.pending.clear();
    for (const { reject, kind, calledAt } of all) reject(failed(kind, error, calledAt));
  }
}
