import pLimit, { type LimitFunction } from 'p-limit';
import { decodeImage, RowError } from '@drf/datasets';
import type { Judgment, PostContent } from '@drf/predict';
import type { RgbImage } from '@drf/tensor';
import type { ServiceLimits } from './limits.js';
import type { ReceivedPost } from './received-post.js';
import { RequestError } from './request-error.js';

/** What judges: a `PostJudge`, or a stand-in of a test. */
export interface JudgeOfPosts {
  /** Side in pixels at which images are decoded. */
  readonly imageSize: number;
  /**
   * Judges one post; calls may overlap.
   * @throws DataError for a post without image and text
   */
  judge(post: PostContent): Promise<Judgment>;
}

export type Stage = 'decode' | 'wait' | 'judge';

export interface WorkOptions {
  readonly judge: JudgeOfPosts;
  readonly limits: Pick<ServiceLimits, 'waitingPosts' | 'pixels'>;
  /** Images that are decoded at once, beside the judge. */
  readonly decoders: number;
  readonly onStage: (stage: Stage, seconds: number) => void;
}

/**
 * A bounded line of posts. Images are decoded side by side while the judge works; the judge takes one post after the
 * other, as they come out of decoding, each alone, so that a verdict never depends on who else asks. A post whose
 * client has left, or whose time is over, is dropped when its turn comes, and keeps its place until then: what is
 * abandoned counts, too.
 */
export class Work {
  private readonly decoding: LimitFunction;
  private readonly judging = pLimit(1);
  private places = 0;
  /** Judgments in a row that failed for reasons of our own. */
  failures = 0;

  constructor(private readonly options: WorkOptions) {
    this.decoding = pLimit(options.decoders);
  }

  /** Posts that are accepted and not yet judged. */
  get waiting(): number {
    return this.places;
  }

  /**
   * Takes places for posts, all or none.
   * @throws RequestError (busy) when there are not so many left
   */
  accept(posts: number): void {
    const { waitingPosts } = this.options.limits;
    if (this.places + posts > waitingPosts) {
      throw new RequestError('busy', {
        subject: 'The service',
        expected: `at most ${waitingPosts} posts waiting`,
        received: `${posts} more than the ${this.places} that wait already`,
        remedy: 'try again when Retry-After has passed',
      });
    }
    this.places += posts;
  }

  /** Judges a post whose place was accepted; the place is free again when the work has ended. */
  async judge(post: ReceivedPost, signal: AbortSignal): Promise<Judgment> {
    try {
      const image = await this.decode(post, signal);
      const waitingSince = performance.now();
      return await this.judging(async () => {
        this.stage('wait', waitingSince);
        signal.throwIfAborted();
        return this.compute({ text: post.text, image });
      });
    } finally {
      this.places -= 1;
    }
  }

  private async compute(content: PostContent): Promise<Judgment> {
    const started = performance.now();
    try {
      const judgment = await this.options.judge.judge(content);
      this.failures = 0;
      return judgment;
    } catch (error) {
      this.failures += 1;
      throw error;
    } finally {
      this.stage('judge', started);
    }
  }

  private async decode({ subject, image }: ReceivedPost, signal: AbortSignal): Promise<RgbImage | null> {
    if (image === null) return null;
    return this.decoding(async () => {
      signal.throwIfAborted();
      const started = performance.now();
      const { judge, limits } = this.options;
      try {
        return await decode(`${subject}, image`, image, judge.imageSize, limits.pixels);
      } finally {
        this.stage('decode', started);
      }
    });
  }

  private stage(stage: Stage, startedAt: number): void {
    this.options.onStage(stage, (performance.now() - startedAt) / 1000);
  }
}

/** @throws RequestError (bad-image, image-too-large) */
async function decode(subject: string, bytes: Uint8Array, side: number, maximumPixels: number): Promise<RgbImage> {
  try {
    return await decodeImage(subject, bytes, { width: side, height: side, fit: 'stretch', maximumPixels });
  } catch (error) {
    if (!(error instanceof RowError)) throw error;
    const tooLarge = error.reason === 'image too large';
    const { expected } = error.report;
    const received = tooLarge ? 'more, as its header says' : error.report.received;
    const remedy = tooLarge ? 'shrink the image' : 'send a whole image in one of the formats JPEG, PNG, GIF, WebP, TIFF, AVIF'; // prettier-ignore
    throw new RequestError(tooLarge ? 'image-too-large' : 'bad-image', { subject, expected, received, remedy }, { cause: error }); // prettier-ignore
  }
}
