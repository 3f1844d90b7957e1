import type { ServerResponse } from 'node:http';
import type { ExplainOptions, Explanation, Judge, Judgment, PostContent } from '@drf/judge';
import { explainContent } from '@drf/judge/explain';
import { decodeImage, ImageError } from '@drf/preprocessing';
import { DataError, NonFiniteError, refuser, type RgbImage } from '@drf/tensor';
import { Holdings, shareOf } from './admission.js';
import type { ReceivedPost } from './bodies.js';
import { excerpt, refuse, RequestError } from './errors.js';
import type { ServiceLimits } from './limits.js';

/** What the service asks for judgments: a judge in this process, or a `JudgeProcess`, which can do more. */
export interface ServedJudge extends Omit<Judge, 'judge'> {
  /** Of a post whose image is decoded: paths come from nobody who sends a request. */
  judge(post: PostContent): Promise<Judgment>;
  /**
   * Decodes an image to its size; left out: it is decoded in this process.
   * @throws ImageError for what is no whole image, or has too many pixels
   */
  decode?(subject: string, bytes: Uint8Array, maximumPixels: number): Promise<RgbImage>;
  /** Of a process of its own; left out: it has none, and is always ready. */
  readonly process?: JudgeProcessState;
}

/** How a judge's process is. */
export interface JudgeProcessState {
  /** Whether it takes posts; false while it starts anew. */
  readonly isReady: boolean;
  /** How often it was started anew. */
  readonly restarts: number;
  /** Its resident memory, when it last told. */
  readonly residentBytes: number;
}

export type Stage = 'decode' | 'wait' | 'judge';

/** A judge that stays open while it is used: a `LoadedJudge`. */
interface UsedJudge {
  readonly judge: ServedJudge;
  use<Value>(work: () => Promise<Value>): Promise<Value>;
}

/** What a post is judged by, and who is told of it. */
export interface PostTask {
  /** Default: the one that is asked when the post comes. */
  readonly model?: UsedJudge;
  /** Told when a stage is over, with its times of `performance.now()`. */
  readonly onStage?: (stage: Stage, startedAt: number, endedAt: number) => void;
}

interface WorkOptions {
  /** A `ReloadableJudge`. */
  readonly judge: { readonly current: UsedJudge; onSwitch(listener: () => void): void };
  readonly limits: Pick<ServiceLimits, 'waitingPosts' | 'batchPosts' | 'pixels' | 'clientShare'>;
  /** Images that are decoded at once, beside the judge. */
  readonly decoders: number;
  readonly onStage: (stage: Stage, seconds: number) => void;
}

/**
 * A bounded line of posts. Images are decoded side by side while the judge works. The judge is asked for as many
 * judgments at once as it judges fastest (`preferredBatch`), one client's after the other's; that a verdict never depends
 * on who else asks is the judge's to keep. A post whose client has left, or whose time is over, is dropped when its turn
 * comes, and keeps its place until then: what is abandoned counts, too.
 */
export class Work {
  private readonly decoding: FairLimit;
  /** As the model that is current says; posts of the one before, which keep it, count among them. */
  private readonly judging = new FairLimit(() => this.options.judge.current.judge.info.preferredBatch ?? 1);
  private places = 0;
  private readonly clients = new Holdings();
  /** Times in a row that judgments failed for reasons of our own; those that were under way together failed once. */
  private failures = 0;
  private failedAt = 0;

  constructor(private readonly options: WorkOptions) {
    this.decoding = new FairLimit(() => options.decoders);
    options.judge.onSwitch(() => (this.failures = 0));
  }

  /** Posts that are accepted and not yet judged. */
  get waiting(): number {
    return this.places;
  }

  /** Whether posts would be judged. */
  get isReady(): boolean {
    return this.failures < 3 && this.options.judge.current.judge.process?.isReady !== false;
  }

  /**
   * Takes places for a client's posts, all or none.
   * @throws RequestError (busy, client-busy) when there are not so many left
   */
  accept(client: string, posts: number): void {
    const { waitingPosts, batchPosts, clientShare } = this.options.limits;
    if (this.places + posts > waitingPosts) throw noPlace('busy', waitingPosts, posts, this.places);
    const own = this.clients.of(client);
    const ownPlaces = shareOf(waitingPosts, clientShare, batchPosts);
    if (own + posts > ownPlaces) throw noPlace('client-busy', ownPlaces, posts, own);
    this.places += posts;
    this.clients.add(client, posts);
  }

  /**
   * Judges a post whose place was accepted; the place is free again when the work has ended.
   * @throws RequestError (bad-image, image-too-large, unjudgeable, restarting, answer-timeout)
   */
  async judge(client: string, post: ReceivedPost, signal: AbortSignal, task: PostTask = {}): Promise<Judgment> {
    const { model = this.options.judge.current } = task;
    try {
      return await model.use(async () => {
        const image = await this.decode(client, post, signal, model.judge, task);
        const waitingSince = performance.now();
        return this.judging.run(client, async () => {
          this.stage('wait', waitingSince, task);
          signal.throwIfAborted();
          return this.compute(post.subject, { text: post.text, image }, model.judge, task);
        });
      });
    } finally {
      this.places -= 1;
      this.clients.add(client, -1);
    }
  }

  /**
   * Explains the judgment of a post: decodes it once, and stands in line anew for each judgment, so that other clients'
   * posts come between them. It takes none of the places that `accept` gives out.
   * @throws as {@link Work.judge}; RequestError (bad-post) for a label that is no class; the signal's reason
   */
  async explain(
    client: string,
    post: ReceivedPost,
    options: ExplainOptions & { readonly signal: AbortSignal },
    task: PostTask = {},
  ): Promise<Explanation> {
    const { model = this.options.judge.current } = task;
    const { signal } = options;
    const { info } = model.judge;
    assertClass(options.label, info.classes);
    return model.use(async () => {
      signal.throwIfAborted();
      const image = await this.decode(client, post, signal, model.judge, task);
      const judge = (content: PostContent): Promise<Judgment> =>
        this.judging.run(client, async () => {
          signal.throwIfAborted();
          return this.compute(post.subject, content, model.judge, task);
        });
      return explainContent({ info, judge }, { text: post.text, image }, options);
    });
  }

  private async compute(subject: string, content: PostContent, judge: ServedJudge, task: PostTask): Promise<Judgment> {
    const started = performance.now();
    try {
      const judgment = await judge.judge(content);
      assertFinite(judgment);
      this.failures = 0;
      return judgment;
    } catch (error) {
      if (error instanceof RequestError) throw error;
      if (error instanceof DataError || error instanceof NonFiniteError) {
        const { expected, received, remedy } = error.report;
        throw refuse('unjudgeable', `${subject}: ${error.report.subject}`, expected, received, remedy, error); // prettier-ignore
      }
      if (started >= this.failedAt) {
        this.failures += 1;
        this.failedAt = performance.now();
      }
      throw error;
    } finally {
      this.stage('judge', started, task);
    }
  }

  private async decode(
    client: string,
    { subject, image }: ReceivedPost,
    signal: AbortSignal,
    judge: ServedJudge,
    task: PostTask,
  ): Promise<RgbImage | null> {
    if (image === null) return null;
    return this.decoding.run(client, async () => {
      signal.throwIfAborted();
      const started = performance.now();
      try {
        return await this.decodeBytes(`${subject}, image`, image, judge);
      } finally {
        this.stage('decode', started, task);
      }
    });
  }

  private async decodeBytes(subject: string, bytes: Uint8Array, judge: ServedJudge): Promise<RgbImage> {
    const { limits } = this.options;
    const { imageSize: side } = judge.info;
    try {
      if (judge.decode !== undefined) return await judge.decode(subject, bytes, limits.pixels);
      return await decodeImage(subject, bytes, { width: side, height: side, fit: 'stretch', maximumPixels: limits.pixels }); // prettier-ignore
    } catch (error) {
      if (error instanceof ImageError) throw badImage(subject, error);
      throw error;
    }
  }

  private stage(stage: Stage, startedAt: number, { onStage }: PostTask): void {
    const endedAt = performance.now();
    this.options.onStage(stage, (endedAt - startedAt) / 1000);
    onStage?.(stage, startedAt, endedAt);
  }
}

/** @throws RequestError (bad-post) for a label that is no class */
function assertClass(label: string | undefined, classes: readonly string[]): void {
  if (label === undefined || classes.includes(label)) return;
  throw refuse(
    'bad-post',
    'The explanation, label',
    'a class of the model',
    excerpt(label),
    'see classes of /v1/model',
  );
}

/** JSON has no NaN: what would come out as null is no verdict. */
function assertFinite({ probabilities, pairWeights }: Judgment): void {
  const shares = [...Object.values(probabilities), ...Object.values(pairWeights ?? {})];
  const wrong = shares.find((share) => !Number.isFinite(share));
  if (wrong === undefined) return;
  throw refuser(NonFiniteError, 'the judge')(
    'finite probabilities',
    String(wrong),
    'leave out the image or the text, whichever it cannot read',
  );
}

function badImage(subject: string, error: ImageError): RequestError {
  const tooLarge = error.reason === 'image too large';
  const { expected } = error.report;
  const received = tooLarge ? 'more, as its header says' : error.report.received;
  const remedy = tooLarge ? 'shrink the image' : 'send a whole image in one of the formats JPEG, PNG, GIF, WebP, TIFF, AVIF'; // prettier-ignore
  return refuse(tooLarge ? 'image-too-large' : 'bad-image', subject, expected, received, remedy, error); // prettier-ignore
}

function noPlace(code: 'busy' | 'client-busy', limit: number, more: number, held: number): RequestError {
  return refuse(
    code,
    'The service',
    `at most ${limit} posts waiting${code === 'busy' ? '' : ' of one client'}`,
    `${more} more than the ${held} that wait already`,
    'try again when Retry-After has passed',
  );
}

/**
 * Runs so many tasks at once. Those that wait are taken from one client after the other, in order for each: a client
 * that asks for much waits for itself, and others wait for no more than one task of it for each of their own.
 */
export class FairLimit {
  /** By client, in the order of their turns. */
  private readonly waiting = new Map<string, (() => void)[]>();
  private running = 0;

  /** @param concurrency asked whenever a task comes or ends; at least 1 */
  constructor(private readonly concurrency: () => number) {}

  async run<Value>(client: string, task: () => Promise<Value>): Promise<Value> {
    if (this.waiting.size === 0 && this.running < this.concurrency()) this.running += 1;
    else await this.turn(client);
    try {
      return await task();
    } finally {
      this.running -= 1;
      this.fill();
    }
  }

  private turn(client: string): Promise<void> {
    return new Promise((resolve) => {
      const own = this.waiting.get(client);
      if (own === undefined) this.waiting.set(client, [resolve]);
      else own.push(resolve);
      this.fill();
    });
  }

  /** Gives the places that are free to one client after the other, who then stands behind all others. */
  private fill(): void {
    for (const [client, own] of this.waiting) {
      if (this.running >= this.concurrency()) return;
      const start = own.shift();
      this.waiting.delete(client);
      if (own.length > 0) this.waiting.set(client, own); // this loop comes to it again
      this.running += 1;
      start?.();
    }
  }
}

/** Ends when the client leaves or the time is over, whichever is first. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** The work's result, or the reason why nobody waits for it any more. */
  race<Value>(work: Promise<Value>): Promise<Value>;
  release(): void;
}

export function answerDeadline(response: ServerResponse, milliseconds: number): Deadline {
  const controller = new AbortController();
  const left = (): void => {
    if (!response.writableEnded) controller.abort(clientLeft());
  };
  const timer = setTimeout(() => controller.abort(tooLate(milliseconds)), milliseconds);
  response.once('close', left);
  return {
    signal: controller.signal,
    race: (work) => {
      return new Promise((resolve, reject) => {
        const { signal } = controller;
        const stop = (): void => reject(signal.reason as Error);
        if (signal.aborted) stop();
        signal.addEventListener('abort', stop, { once: true });
        work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
      });
    },
    release: () => {
      clearTimeout(timer);
      response.off('close', left);
    },
  };
}

function clientLeft(): RequestError {
  return refuse('client-closed-request', 'The request', 'a client that waits for its answer', 'a closed connection');
}

function tooLate(milliseconds: number): RequestError {
  return refuse(
    'answer-timeout',
    'The service',
    `to answer within ${milliseconds} ms`,
    'more work than that',
    'try again later, or send fewer posts at once',
  );
}
