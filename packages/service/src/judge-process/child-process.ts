import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ModelDescription } from '../schemas.js';
import { errorOf, type FromChild, type Question, type ToChild } from './messages.js';

/** Source runs from source, the built package from what was built. */
const SCRIPT = new URL(`./child${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

/** Silence after which a process is taken to be held by what it computes. */
const SILENT_MILLISECONDS = 1_000;
const CLOSE_MILLISECONDS = 5_000;

/** How the process ended while it was asked. */
export class ProcessEnded extends Error {
  /** @param blame of the one who asks: `own` when its question took too long, `other` when another's did, else unknown */
  constructor(
    message: string,
    readonly blame: 'own' | 'other' | 'unknown',
  ) {
    super(message);
  }
}

export interface ChildOptions {
  /** Of a module that exports `openJudge`. */
  readonly module: URL;
  readonly argument: unknown;
  /** Longest time of one question. */
  readonly milliseconds: number;
  readonly execArgv: readonly string[];
}

interface Pending {
  readonly kind: Question['kind'];
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  timer: NodeJS.Timeout;
}

/** One life of a judge's process. */
export class Child {
  /** What it says once it can be asked. @throws what the module threw, or ProcessEnded */
  readonly ready: Promise<{ readonly imageSize: number; readonly description: ModelDescription }>;
  /** How it ended. */
  readonly ended: Promise<string>;
  residentBytes = 0;

  private readonly process: ChildProcess;
  private readonly pending = new Map<number, Pending>();
  private nextId = 0;
  private heardAt = performance.now();
  private end: string | undefined;
  private blamed: Pending | undefined;

  constructor(private readonly options: ChildOptions) {
    this.process = fork(fileURLToPath(SCRIPT), [], {
      execArgv: [...options.execArgv],
      serialization: 'advanced',
      stdio: ['ignore', 2, 2, 'ipc'], // what libraries print must not come between the lines of a log
    });
    this.ended = new Promise((resolve) => {
      const over = (how: string): void => {
        this.over(how);
        resolve(how);
      };
      this.process.on('error', (error) => {
        this.kill();
        if (this.process.pid === undefined) over(`could not run: ${error.message}`);
      });
      this.process.on('exit', (code, signal) => over(signal === null ? `exit code ${code}` : `signal ${signal}`));
    });
    this.ready = new Promise((resolve, reject) => {
      this.process.on('message', (message: FromChild) => {
        this.heardAt = performance.now();
        if (message.type === 'ready') resolve(message);
        else if (message.type === 'refused') {
          reject(errorOf(message.failure));
          this.kill();
        } else this.take(message);
      });
      void this.ended.then((how) => reject(new ProcessEnded(`the judge's process ended: ${how}`, 'unknown')));
    });
    this.ready.catch(() => undefined); // also where nobody waits for it
    const { module, argument } = options;
    this.send({ type: 'open', module: module.href, argument, parent: process.pid });
  }

  /** @throws what the judge threw; ProcessEnded */
  ask<Value>(question: Question): Promise<Value> {
    return new Promise<Value>((resolve, reject) => {
      if (this.end !== undefined) return reject(new ProcessEnded(`the judge's process ended: ${this.end}`, 'other'));
      const id = this.nextId++;
      const timer = setTimeout(() => this.overdue(pending), this.options.milliseconds);
      const pending: Pending = { kind: question.kind, resolve: resolve as (value: unknown) => void, reject, timer };
      this.pending.set(id, pending);
      this.send({ type: 'ask', id, question });
    });
  }

  /** Whether it was killed because a question took too long. */
  get wasOverdue(): boolean {
    return this.blamed !== undefined;
  }

  kill(): void {
    this.process.kill('SIGKILL');
  }

  /** Lets it free what it holds; a process that does not end by then is killed. */
  async close(): Promise<void> {
    this.send({ type: 'close' });
    const timer = setTimeout(() => this.kill(), CLOSE_MILLISECONDS);
    await this.ended;
    clearTimeout(timer);
  }

  private send(message: ToChild): void {
    // a process that has gone says so by its end
    if (this.process.connected) this.process.send(message, () => undefined);
  }

  private take(message: FromChild): void {
    if (message.type === 'alive') return void (this.residentBytes = message.residentBytes);
    if (message.type !== 'answer' && message.type !== 'failure') return;
    const pending = this.pending.get(message.id);
    if (pending === undefined) return;
    this.pending.delete(message.id);
    clearTimeout(pending.timer);
    if (message.type === 'answer') pending.resolve(message.value);
    else pending.reject(errorOf(message.failure));
  }

  /** A process that is held by a judgment answers no decoding either: then the judgment is to blame, in its own time. */
  private overdue(pending: Pending): void {
    const isHeld = performance.now() - this.heardAt > SILENT_MILLISECONDS;
    const isJudging = [...this.pending.values()].some(({ kind }) => kind === 'judge');
    if (pending.kind === 'decode' && isHeld && isJudging) {
      pending.timer = setTimeout(() => this.overdue(pending), SILENT_MILLISECONDS / 4);
      return;
    }
    this.blamed ??= pending;
    this.kill();
  }

  private over(how: string): void {
    this.end ??= how;
    const all = [...this.pending.values()];
    this.pending.clear();
    for (const pending of all) {
      clearTimeout(pending.timer);
      const blame = this.blamed === undefined ? 'unknown' : this.blamed === pending ? 'own' : 'other';
      pending.reject(new ProcessEnded(`the judge's process ended: ${this.end}`, blame));
    }
  }
}
