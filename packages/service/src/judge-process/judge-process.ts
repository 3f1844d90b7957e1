import { fork, type ChildProcess } from 'node:child_process';
import { setImmediate, setTimeout as delay } from 'node:timers/promises';
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
  /**
   * Longest time of one judgment or decoding; then the process is killed, and another started. Default 10,000. Of several
   * judgments under way, one's time counts from the last answer to one that was asked before it: what it waits for in the
   * process is not its own time, and what is asked after it, and answered, does not prolong it.
   */
  readonly milliseconds?: number;
  /** Flags of Node for the process; default those of this one. */
  readonly execArgv?: readonly string[];
  /** Told when the process has ended though nobody told it to. */
  readonly onEnd?: (end: JudgeProcessEnd) => void;
  /** Told each time that several judgments together were too much, and how many are to go at once from then on. */
  readonly onHalved?: (preferredBatch: number) => void;
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
 *
 * Where several judgments were under way, nobody knows whose post it was: each is suspected, and asked again of the next
 * process by itself, before all others. Only the post with which that one is held or ends, too, is told so.
 */
export class JudgeProcess implements ServedJudge {
  private readonly restartDelay = new RestartDelay();
  /** Until the next process is started; undefined: it is. */
  private delay: Promise<void> | undefined;
  /** Whether the process that ended last had been ready: suspects wait for the next one then, else there may be none. */
  private hadStarted = true;
  private ready = true;
  private readonly closing = new AbortController();
  private restarts = 0;
  private readonly suspects = new Suspects();
  /** Processes that several judgments together held or ended, and none of them alone. */
  private readonly overburdened = new Set<Child>();

  private constructor(
    private readonly options: ChildOptions,
    private child: Child,
    private described: JudgeInfo,
  ) {
    this.watch(child);
  }

  /**
   * What the process says of itself: another, where it was started anew after the folder was replaced. `preferredBatch`
   * is halved each time that several judgments together took too long or ended the process, and none of them alone: this
   * machine has not the time or the memory for so many.
   */
  get info(): JudgeInfo {
    const { preferredBatch = 1 } = this.described;
    if (this.overburdened.size === 0) return this.described;
    return { ...this.described, preferredBatch: Math.max(1, Math.floor(preferredBatch / 2 ** this.overburdened.size)) };
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
    this.closing.abort();
    this.ready = false;
    await this.child.close();
  }

  /** @param suspectedIn the process that the question, among others, may have held or ended; it is to be judged alone now */
  private async ask<Value>(question: Question, suspectedIn?: Child): Promise<Value> {
    for (let tries = 1; ; tries++) {
      if (suspectedIn !== undefined && this.hadStarted) await this.delay;
      if (suspectedIn === undefined && question.kind === 'judge' && this.delay === undefined)
        await this.suspects.settled();
      if (this.closing.signal.aborted || this.delay !== undefined) throw restarting('one that could not be started');
      const { child } = this;
      try {
        await child.ready;
        return await child.ask<Value>(question);
      } catch (error) {
        if (!(error instanceof ProcessEnded)) {
          if (this.child !== child || !this.ready) throw restarting('one that could not be started');
          throw error;
        }
        const { blame } = error;
        const ended = child.ended.then(() => setImmediate()); // `watch` has seen it by then
        if (blame === 'shared') {
          const answer = this.suspects.alone(() => ended.then(() => this.ask<Value>(question, child)));
          if (!this.overburdened.has(child)) this.halve(child);
          return answer;
        }
        if (blame !== 'other' && suspectedIn !== undefined) this.overburdened.delete(suspectedIn);
        if (blame === 'own') throw this.tooLong(question);
        if (blame === 'unknown' || tries === TRIES) throw restarting('one that ended');
        await ended;
      }
    }
  }

  /** Tells of it once the suspects are settled, unless one of them was to blame. */
  private halve(child: Child): void {
    const { preferredBatch: before = 1 } = this.info;
    this.overburdened.add(child);
    void this.suspects.settled().then(() => {
      const { preferredBatch: after = 1 } = this.info;
      const isFewer = this.overburdened.has(child) && after !== before;
      if (isFewer && !this.closing.signal.aborted) this.options.onHalved?.(after);
    });
  }

  private watch(child: Child): void {
    const since = performance.now();
    void child.ended.then((how) => {
      const { signal } = this.closing;
      if (signal.aborted) return;
      this.hadStarted = this.ready;
      this.ready = false;
      const wait = this.restartDelay.next(performance.now() - since, !child.wasOverdue);
      this.options.onEnd?.({ how, restartInMilliseconds: wait });
      if (wait === 0) return this.restart();
      this.delay = delay(wait, undefined, { signal }).then(
        () => {
          this.delay = undefined;
          this.restart();
        },
        () => undefined, // closed meanwhile
      );
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
          if (this.closing.signal.aborted || this.child !== child) return;
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

/** Questions that are asked one after the other, and those that wait until they are settled. */
class Suspects {
  private last: Promise<void> = Promise.resolve();

  /** Asks when all that came before are settled. */
  alone<Value>(ask: () => Promise<Value>): Promise<Value> {
    const asking = this.last.then(ask);
    this.last = asking.then(
      () => undefined,
      () => undefined,
    );
    return asking;
  }

  async settled(): Promise<void> {
    for (let last: Promise<void> | undefined; last !== this.last;) {
      last = this.last;
      await last;
    }
  }
}

/** Source runs from source, the built package from what was built. */
const SCRIPT = new URL(`./child${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

/** Silence after which a process is taken to be held by what it computes. */
const SILENT_MILLISECONDS = 1_000;
const CLOSE_MILLISECONDS = 5_000;

/** How the process ended while it was asked. */
class ProcessEnded extends Error {
  /**
   * @param blame of the one who asks: `own` when its question took too long, `other` when another's did, `shared` when it
   *   may be any of several judgments that took too long or were under way when it ended, else `unknown`
   */
  constructor(
    message: string,
    readonly blame: 'own' | 'other' | 'shared' | 'unknown',
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

const isJudgment = ({ kind }: Pending): boolean => kind === 'judge';

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
  /** What took too long: a decoding, or the judgments that were under way, any of which may have held the others. */
  private blamed: readonly Pending[] | undefined;

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
    if (isJudgment(pending)) {
      for (const [id, later] of this.pending) if (id > message.id && isJudgment(later)) later.timer.refresh();
    }
    if (message.type === 'answer') pending.resolve(message.value);
    else pending.reject(errorOf(message.failure));
  }

  /** A process that is held by a judgment answers no decoding either: then the judgment is to blame, in its own time. */
  private overdue(pending: Pending): void {
    const isHeld = performance.now() - this.heardAt > SILENT_MILLISECONDS;
    const judgments = [...this.pending.values()].filter(isJudgment);
    if (pending.kind === 'decode' && isHeld && judgments.length > 0) {
      pending.timer = setTimeout(() => this.overdue(pending), SILENT_MILLISECONDS / 4);
      return;
    }
    this.blamed ??= isJudgment(pending) ? judgments : [pending];
    this.kill();
  }

  private over(how: string): void {
    this.end ??= how;
    const all = [...this.pending.values()];
    this.pending.clear();
    const judgments = all.filter(isJudgment);
    const blamed = this.blamed ?? (judgments.length > 1 ? judgments : []);
    const blameOf = (pending: Pending): ProcessEnded['blame'] => {
      if (blamed.includes(pending)) return blamed.length > 1 ? 'shared' : 'own';
      return this.blamed === undefined ? 'unknown' : 'other';
    };
    for (const pending of all) {
      clearTimeout(pending.timer);
      pending.reject(new ProcessEnded(`the judge's process ended: ${this.end}`, blameOf(pending)));
    }
  }
}
