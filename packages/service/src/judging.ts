import type { Judgment } from '@drf/judge';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { clientOf } from './admission.js';
import type { ReceivedPost } from './bodies.js';
import type { ServiceLimits } from './limits.js';
import type { Metrics } from './metrics.js';
import type { LoadedJudge, ReloadableJudge } from './reloadable-judge.js';
import { requestSpan } from './tracing.js';
import { answerDeadline, type Deadline, type Work } from './work.js';

/** On every answer that a model had a part in. */
export const MODEL_VERSION_HEADER = 'x-model-version';

/** What a request's posts are judged with: one model for all of them, whatever takes its place meanwhile. */
export interface RequestJudging {
  readonly model: LoadedJudge;
  readonly deadline: Deadline;
  /** @throws as `Work.judge`, and what the deadline says */
  judge(post: ReceivedPost): Promise<Judgment>;
}

interface JudgingOptions {
  readonly judge: ReloadableJudge;
  readonly work: Work;
  readonly limits: ServiceLimits;
  readonly metrics: Metrics;
}

/** What all routes that judge posts have in common: places in the line, the deadline, the model, and what is counted. */
export class Judging {
  readonly limits: ServiceLimits;

  constructor(private readonly options: JudgingOptions) {
    this.limits = options.limits;
  }

  /**
   * Takes places in the line, and answers.
   * @throws RequestError (busy, client-busy) when there are not so many places; as `act`
   */
  async answer<Value>(
    request: FastifyRequest,
    reply: FastifyReply,
    posts: number,
    act: (judging: RequestJudging) => Promise<Value>,
  ): Promise<Value> {
    const { work, judge: judges, limits, metrics } = this.options;
    const client = clientOf(request.ip);
    work.accept(client, posts);
    const model = judges.current;
    const deadline = answerDeadline(reply.raw, limits.answerMilliseconds);
    const span = requestSpan(request);
    const judge = async (post: ReceivedPost): Promise<Judgment> => {
      const working = work.judge(client, post, deadline.signal, { model, onStage: span?.onStage });
      request.bodyLease?.until(working);
      const judgment = await deadline.race(working);
      metrics.onJudgment(judgment);
      return judgment;
    };
    try {
      return await model.use(async () => {
        const value = await act({ model, deadline, judge });
        const { version } = model.identity;
        reply.header(MODEL_VERSION_HEADER, version);
        span?.setModel(model.identity);
        return value;
      });
    } finally {
      deadline.release();
    }
  }
}
