import { fork, type ChildProcess } from 'node:child_process';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { JudgeInfo, Judgment, openJudge, PostContent } from '@drf/judge';
import { ownModules, refuser, UnavailableError, type RgbImage } from '@drf/tensor';
import { refuse, type RequestError } from '../errors.js';
import { RestartDelay } from '../restart-delay.js';
import type { JudgeProcessState, ServedJudge } from '../work.js';
import { errorOf, type FromChild, type Question, type ToChild } from './messages.js';

export interface JudgeProcessOptions {
  /** What {@link openJudge} is given in the process. */
  readonly open: Parameters<typeof openJudge>;
  /** Of a module whose `openJudge` is used in place of that of `@drf/judge`. */
  readonly module?: string;
  /** Longest time of one judgment or decoding; then the process is killed, and another started. Default 10,000. */
  readonly milliseconds?: number;
  /** Flags of Node for the process; default those of this one. */
  readonly execArgv?: readonly string[];
  /** Told when the process has ended though nobody told it to. */
  readonly onEnd?: (end: JudgeProcessEnd) => void;
}

/** With its defaults. */
type ChildOptions = JudgeProcessOptions & Required<Pick<JudgeProcessOptions, 'milliseconds' | 'execArgv'>>;

/** How a judge's process ended, and when another is started. */
export interface JudgeProcessEnd {
  readonly how: string;
  readonly restartInMilliseconds: number;
}

/** Of a process that replaces another. */
const LONGEST_START = 300_000;
/** What was not to blame for the end of a process is asked again; not without end. */
const TRIES = 3;

/**
 * A judge in a process of its own, which decodes and judges. However long it takes, and however it ends, the process that
 * serves goes on: a question that takes too long costs the judge's process its life, and the next one is asked of
 * another. It loads the modules of the user's own that this process has loaded. It is started anew at once; when it ends by itself again soon, or cannot open the run, after 1, 2, 4, … 30 s.
 */
export class JudgeProcess implements ServedJudge {
  private readonly restartDelay = new RestartDelay();
  private delay: NodeJS.Timeout | undefined;
  private ready = true;
  private closing = false;
  private restarts = 0;

  private constructor(
    private readonly options: ChildOptions,
    private child: Child,
    private described: JudgeInfo,
  ) {
    this.watch(child);
  }

  /** What the process says of itself: another, where it was started anew after the folder was replaced. */
  get info(): JudgeInfo {
    return this.described;
  }

  /** @throws as `openJudge`; UnavailableError when the process ends before it is ready */
  static async start(options: JudgeProcessOptions): Promise<JudgeProcess> {
    const { milliseconds = 10_000, execArgv = process.execArgv } = options;
    const whole = { ...options, milliseconds, execArgv };
    const child = new Child(whole);
    try {
      return new JudgeProcess(whole, child, await child.ready);
    } catch (error) {
      await child.ended;
      if (!(error instanceof ProcessEnded)) throw error;
      throw refuser(UnavailableError, 'The judge’s process')(
        'to open the run',
        error.message,
        'see what it said above; free memory if there is little',
      );
    }
  }

  get process(): JudgeProcessState {
    return { isReady: this.ready, restarts: this.restarts, residentBytes: this.child.residentBytes };
  }

  /**
   * @throws DataError for a post that cannot be judged; RequestError (restarting) when the process ends with it or cannot
   *   be started, (answer-timeout) when it takes too long
   */
  judge(post: PostContent): Promise<Judgment> {
    return this.ask({ kind: 'judge', post });
  }

  /** @throws ImageError for what is no whole image; RequestError as {@link JudgeProcess.judge} */
  decode(subject: string, bytes: Uint8Array, maximumPixels: number): Promise<RgbImage> {
    return this.ask({ kind: 'decode', subject, bytes, maximumPixels });
  }

  /** Ends the process; what it is asked then is lost. */
  async close(): Promise<void> {
    this.closing = true;
    this.ready = false;
    clearTimeout(this.delay);
    await this.child.close();
  }

  private async ask<Value>(question: Question): Promise<Value> {
    for (let tries = 1; ; tries++) {
      if (this.closing || this.delay !== undefined) throw restarting('one that could not be started');
      const { child } = this;
      try {
        await child.ready;
        return await child.ask<Value>(question);
      } catch (error) {
        if (!(error instanceof ProcessEnded)) {
          if (this.child !== child || !this.ready) throw restarting('one that could not be started');
          throw error;
        }
        if (error.blame === 'own') throw this.tooLong(question);
        if (error.blame === 'unknown' || tries === TRIES) throw restarting('one that ended');
        await child.ended;
        await setImmediate(); // `watch` has seen it by then
      }
    }
  }

  private watch(child: Child): void {
    const since = performance.now();
    void child.ended.then((how) => {
      if (this.closing) return;
      this.ready = false;
      const wait = this.restartDelay.next(performance.now() - since, !child.wasOverdue);
      this.options.onEnd?.({ how, restartInMilliseconds: wait });
      if (wait === 0) return this.restart();
      this.delay = setTimeout(() => {
        this.delay = undefined;
        this.restart();
      }, wait);
    });
  }

  private restart(): void {
    this.restarts += 1;
    const child = new Child(this.options);
    this.child = child;
    const timer = setTimeout(() => child.kill(), LONGEST_START);
    void child.ready
      .then(
        (info) => {
          if (this.closing || this.child !== child) return;
          this.described = info;
          this.ready = true;
        },
        () => undefined, // its end is seen by `watch`
      )
      .finally(() => clearTimeout(timer));
    this.watch(child);
  }

  private tooLong({ kind }: Question): RequestError {
    return refuse(
      'answer-timeout',
      'The service',
      `to ${kind} ${kind === 'judge' ? 'a post' : 'an image'} within ${this.options.milliseconds} ms`,
      'one that takes longer',
      'send another; this one would take as long again',
    );
  }
}

function restarting(received: string): RequestError {
  return refuse(
    'restarting',
    'The service',
    'a process that judges',
    received,
    'try again when Retry-After has passed',
  );
}

/** Source runs from source, the built package from what was built. */
const SCRIPT = new URL(`./child${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

/** Silence after which a process is taken to be held by what it computes. */
const SILENT_MILLISECONDS = 1_000;
const CLOSE_MILLISECONDS = 5_000;

/** How the process ended while it was asked. */
class ProcessEnded extends Error {
  /** @param blame of the one who asks: `own` when its question took too long, `other` when another's did, else unknown */
  constructor(
    message: string,
    readonly blame: 'own' | 'other' | 'unknown',
  ) {
    super(message);
  }
}

interface Pending {
  readonly kind: Question['kind'];
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  timer: NodeJS.Timeout;
}

/** One life of a judge's process. */
class Child {
  /** What it says once it can be asked. @throws what the module threw, or ProcessEnded */
  readonly ready: Promise<JudgeInfo>;
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
    this.process = fork(fileURLToPath(SCRIPT), ownModules(), {
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
        if (message.type === 'ready') resolve(message.info);
        else if (message.type === 'refused') {
          reject(errorOf(message.failure));
          this.kill();
        } else this.take(message);
      });
      void this.ended.then((how) => reject(new ProcessEnded(`the judge's process ended: ${how}`, 'unknown')));
    });
    this.ready.catch(() => undefined); // also where nobody waits for it
    const { module = '@drf/judge', open } = options;
    this.send({ type: 'open', module, open, parent: process.pid });
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
