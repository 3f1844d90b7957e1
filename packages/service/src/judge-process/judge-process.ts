import { setImmediate } from 'node:timers/promises';
import type { Judgment, PostContent } from '@drf/predict';
import { UnavailableError, type RgbImage } from '@drf/tensor';
import { RequestError } from '../request-error.js';
import type { ModelDescription } from '../schemas.js';
import type { JudgeOfPosts, JudgeProcessState } from '../work.js';
import { Child, ProcessEnded, type ChildOptions } from './child-process.js';
import type { Question } from './messages.js';

export interface JudgeProcessOptions {
  /** Of a module that exports `openJudge` (`JudgeModule`); it is loaded in the process. */
  readonly module: URL;
  /** What `openJudge` is given; must be of values that can be copied (structured clone). */
  readonly argument: unknown;
  /** Longest time of one judgment or decoding; then the process is killed, and another started. Default 10,000. */
  readonly milliseconds?: number;
  /** Flags of Node for the process; default those of this one. */
  readonly execArgv?: readonly string[];
  /** Told when the process has ended though nobody told it to. */
  readonly onEnd?: (end: JudgeProcessEnd) => void;
}

/** How a judge's process ended, and when another is started. */
export interface JudgeProcessEnd {
  readonly how: string;
  readonly restartInMilliseconds: number;
}

const FIRST_DELAY = 1_000;
const LONGEST_DELAY = 30_000;
/** Of a process that replaces another. */
const LONGEST_START = 300_000;
/** Who lived so long has nothing to do with those before. */
const STEADY_MILLISECONDS = 60_000;
/** What was not to blame for the end of a process is asked again; not without end. */
const TRIES = 3;

/**
 * A judge in a process of its own, which decodes and judges. However long it takes, and however it ends, the process that
 * serves goes on: a question that takes too long costs the judge's process its life, and the next one is asked of
 * another. It is started anew at once; when it ends by itself again soon, or cannot open the run, after 1, 2, 4, … 30 s.
 */
export class JudgeProcess implements JudgeOfPosts {
  /** Ends in a row, each soon after the start. */
  private ends = 0;
  private delay: NodeJS.Timeout | undefined;
  private ready = true;
  private closing = false;
  private restarts = 0;

  private constructor(
    private readonly options: ChildOptions & Pick<JudgeProcessOptions, 'onEnd'>,
    private child: Child,
    readonly imageSize: number,
    /** What `GET /v1/model` says of it. */
    readonly description: ModelDescription,
  ) {
    this.watch(child);
  }

  /** @throws as the module's `openJudge`; UnavailableError when the process ends before it is ready */
  static async start(options: JudgeProcessOptions): Promise<JudgeProcess> {
    const { milliseconds = 10_000, execArgv = process.execArgv } = options;
    const whole = { ...options, milliseconds, execArgv };
    const child = new Child(whole);
    try {
      const { imageSize, description } = await child.ready;
      return new JudgeProcess(whole, child, imageSize, description);
    } catch (error) {
      await child.ended;
      if (!(error instanceof ProcessEnded)) throw error;
      throw new UnavailableError({
        subject: 'The judge’s process',
        expected: 'to open the run',
        received: error.message,
        remedy: 'see what it said above; free memory if there is little',
      });
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

  /** @throws RowError for what is no whole image; RequestError as {@link JudgeProcess.judge} */
  decode(subject: string, bytes: Uint8Array, maximumPixels: number): Promise<RgbImage> {
    return this.ask({ kind: 'decode', subject, bytes, maximumPixels });
  }

  /** Ends the process; what it is asked then is lost. */
  async dispose(): Promise<void> {
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
      if (performance.now() - since >= STEADY_MILLISECONDS || child.wasOverdue) this.ends = 0;
      const wait = this.ends === 0 ? 0 : Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** (this.ends - 1));
      if (!child.wasOverdue) this.ends += 1;
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
        () => void (this.ready = !this.closing && this.child === child),
        () => undefined, // its end is seen by `watch`
      )
      .finally(() => clearTimeout(timer));
    this.watch(child);
  }

  private tooLong({ kind }: Question): RequestError {
    return new RequestError('answer-timeout', {
      subject: 'The service',
      expected: `to ${kind} ${kind === 'judge' ? 'a post' : 'an image'} within ${this.options.milliseconds} ms`,
      received: 'one that takes longer',
      remedy: 'send another; this one would take as long again',
    });
  }
}

function restarting(received: string): RequestError {
  return new RequestError('restarting', {
    subject: 'The service',
    expected: 'a process that judges',
    received,
    remedy: 'try again when Retry-After has passed',
  });
}
