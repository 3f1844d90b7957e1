import type { Judgment, PostContent } from '@drf/judge';
import { explainContent, type ExplainingJudge, type ExplainOptions, type Explanation } from '@drf/judge/explain';
import { ConfigurationError, DataError, mapAhead, refuser, untilAborted } from '@drf/tensor';
import { InterruptedError } from './errors.js';

/** How posts are judged. */
export interface PredictOptions {
  /** When it aborts, no further post is begun, and the call ends with an {@link InterruptedError}. */
  readonly signal?: AbortSignal;
}

/** How posts are judged of which some may be unusable. */
export interface LenientPredictOptions extends PredictOptions {
  /** Told of each post that cannot be judged, which gets null. Left out: the first such post ends the call. */
  readonly onError: (error: DataError, index: number) => void;
}

/** Posts under way at once; more than encoders take together gain nothing. */
const POSTS_AHEAD = 16;
/** The same of posts that come one by one: as many must have come before the first judgment is given. */
const STREAMED_POSTS_AHEAD = 4;

/**
 * What judges posts: a run, an export, or an ensemble. Judgments are the same whatever else is judged, so calls may
 * overlap, also of several models in one process.
 */
export abstract class Model<Post> implements AsyncDisposable {
  private readonly working = new Set<Promise<unknown>>();
  private closing: Promise<void> | undefined;

  /** Judges a post; the first may have to open what judges. */
  protected abstract judgePost(post: Post): Promise<Judgment>;
  /** What explanations ask: the judge, and the post with its image decoded, once. */
  protected abstract explained(post: Post): Promise<{ readonly judge: ExplainingJudge; readonly content: PostContent }>;
  /** Frees what was opened. */
  protected abstract free(): Promise<void>;

  /**
   * Judges one post.
   * @throws DataError for a post of nothing, an image that cannot be read, and a model that gives no numbers for it
   */
  judge(post: Post): Promise<Judgment> {
    return this.use(() => this.judgePost(post));
  }

  /**
   * Which words, and which regions of the image, moved the answer, by leaving them out one at a time: some sixty judgments
   * of a post with both.
   *
   * ```ts
   * const { label, words } = await model.explain({ text: 'What a lovely day' });
   * for (const { word, change } of words) console.log(word, change.probability); // above 0: it speaks for the label
   * ```
   * @throws as {@link judge}; ConfigurationError for a label that is no class; InterruptedError when the signal aborts
   */
  explain(post: Post, options: ExplainOptions = {}): Promise<Explanation> {
    return this.use(async () => {
      const { judge, content } = await this.explained(post);
      return explainContent(judge, content, options).catch((error: unknown) => {
        const { signal } = options;
        throw signal?.aborted === true && error === signal.reason
          ? new InterruptedError('Explaining a post', null, undefined, signal.reason)
          : error;
      });
    });
  }

  /**
   * Judges posts in their order. An async iterable gives judgments as they come, with memory that does not grow with
   * their number; leaving the loop ends the work.
   *
   * ```ts
   * const [judgment] = await model.predict([{ text: 'What a day!', image: 'photo.jpg' }]);
   * for await (const { label } of model.predict(postsFromSomewhere())) console.log(label);
   * ```
   * @throws DataError naming the first post that cannot be judged, unless `onError` is told of it; InterruptedError when the
   *   signal aborts; whatever the iterable throws
   */
  predict(posts: Iterable<Post>, options: LenientPredictOptions): Promise<(Judgment | null)[]>;
  predict(posts: Iterable<Post>, options?: PredictOptions): Promise<Judgment[]>;
  predict(posts: AsyncIterable<Post>, options: LenientPredictOptions): AsyncGenerator<Judgment | null>;
  predict(posts: AsyncIterable<Post>, options?: PredictOptions): AsyncGenerator<Judgment>;
  predict(
    posts: Iterable<Post> | AsyncIterable<Post>,
    options: PredictOptions | LenientPredictOptions = {},
  ): Promise<(Judgment | null)[]> | AsyncGenerator<Judgment | null> {
    const isAsync = isMany(posts, Symbol.asyncIterator);
    if (!isAsync && !isMany(posts, Symbol.iterator)) {
      const refuse = refuser(ConfigurationError, 'predict');
      return Promise.reject(refuse('an array of posts, or another iterable', posts === null ? 'null' : typeof posts, 'judge takes a single post')); // prettier-ignore
    }
    const judgments = this.judgments(posts, options);
    return isAsync ? judgments : collect(judgments);
  }

  private async *judgments(
    posts: Iterable<Post> | AsyncIterable<Post>,
    options: PredictOptions | LenientPredictOptions,
  ): AsyncGenerator<Judgment | null> {
    const { signal } = options;
    const onError = 'onError' in options ? options.onError : undefined;
    let count = 0;
    const interrupted = (reason: unknown): InterruptedError =>
      new InterruptedError('Judging posts', null, undefined, reason);
    const judgeNext = async (post: Post): Promise<Judgment | null> => {
      const index = count++;
      if (signal?.aborted === true) throw interrupted(signal.reason);
      try {
        return await this.judge(post);
      } catch (error) {
        if (!(error instanceof DataError)) throw error;
        const named = new DataError({ ...error.report, subject: `Post ${index}, ${error.report.subject}` }, { cause: error }); // prettier-ignore
        if (onError === undefined) throw named;
        onError(named, index);
        return null;
      }
    };
    try {
      const ahead = isMany(posts, Symbol.iterator) ? POSTS_AHEAD : STREAMED_POSTS_AHEAD;
      yield* mapAhead(signal === undefined ? posts : untilAborted(posts, signal), ahead, judgeNext);
    } catch (error) {
      throw signal?.aborted === true && error === signal.reason ? interrupted(error) : error;
    }
  }

  /** Runs work that closing waits for. @throws ConfigurationError once the model is closed */
  protected use<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.closing !== undefined) {
      const refuse = refuser(ConfigurationError, 'A model');
      return Promise.reject(refuse('to be used while it is open', 'a closed one', 'open it again with load'));
    }
    const running = work();
    const settled = running.catch(() => undefined).finally(() => this.working.delete(settled));
    this.working.add(settled);
    return running;
  }

  /** Frees what the model holds, once all calls are answered. Other models go on. */
  close(): Promise<void> {
    this.closing ??= Promise.all(this.working).then(() => this.free());
    return this.closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Whether it can be iterated over; a string is no list of posts. */
function isMany(posts: unknown, iterator: symbol): boolean {
  return typeof posts === 'object' && posts !== null && iterator in posts;
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}
