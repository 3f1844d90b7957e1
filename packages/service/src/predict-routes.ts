import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Judgment } from '@drf/predict';
import { answerDeadline, type Deadline } from './answer-deadline.js';
import type { BodyLease } from './body-budget.js';
import { clientOf } from './client.js';
import { readForm } from './form-body.js';
import { emptyBody } from './json-body.js';
import type { ServiceLimits } from './limits.js';
import type { Metrics } from './metrics.js';
import { jsonBody, predictBody, responses } from './openapi.js';
import { problemOf, requestErrorOf } from './problem.js';
import { PostReader, type ReceivedPost } from './received-post.js';
import { RequestError } from './request-error.js';
import { batchAnswerSchema, batchSchema, judgmentSchema, type BatchAnswer } from './schemas.js';
import type { Work } from './work.js';

export interface PredictRoutes {
  readonly work: Work;
  readonly limits: ServiceLimits;
  readonly metrics: Metrics;
}

const POST_PROBLEMS = [401, 408, 413, 415, 422, 429, 501, 503, 504];

/** `POST /v1/predict` and `POST /v1/predict/batch`. */
export function addPredictRoutes(app: FastifyInstance, { work, limits, metrics }: PredictRoutes): void {
  const reader = new PostReader(limits);

  app.post(
    '/v1/predict',
    {
      schema: {
        summary: 'Judges a post',
        tags: ['predict'],
        body: predictBody(limits),
        response: responses(judgmentSchema, POST_PROBLEMS),
      },
    },
    async (request, reply) => {
      const post = await receive(request);
      work.accept(clientOf(request.ip), 1);
      return withDeadline(reply, (deadline) => judge(post, deadline, request));
    },
  );

  app.post(
    '/v1/predict/batch',
    {
      schema: {
        summary: 'Judges several posts; each gets its own judgment or problem',
        tags: ['predict'],
        body: jsonBody(batchSchema(limits)),
        response: responses(batchAnswerSchema, POST_PROBLEMS),
      },
    },
    async (request, reply): Promise<BatchAnswer> => {
      if (request.isMultipart()) throw jsonOnly();
      if (request.body === undefined) throw emptyBody();
      const read = reader.readBatch(request.body).map((value, i) => attempt(() => reader.read(value, `posts[${i}]`)));
      work.accept(clientOf(request.ip), read.filter((post) => !(post instanceof RequestError)).length);
      return withDeadline(reply, async (deadline) => {
        const answers = read.map(async (post) => {
          if (post instanceof RequestError) return { problem: problemOf(post, request.id) };
          return judge(post, deadline, request).then(
            (judgment) => ({ judgment }),
            (error: unknown) => ({ problem: problemOf(rowError(error, deadline), request.id) }),
          );
        });
        return { answers: await Promise.all(answers) };
      });
    },
  );

  async function receive(request: FastifyRequest): Promise<ReceivedPost> {
    const lease = request.bodyLease as BodyLease;
    if (request.isMultipart()) return reader.readForm(await lease.reading(readForm(request, lease)));
    if (request.body === undefined) throw emptyBody();
    return reader.read(request.body);
  }

  async function judge(post: ReceivedPost, deadline: Deadline, request: FastifyRequest): Promise<Judgment> {
    const working = work.judge(clientOf(request.ip), post, deadline.signal);
    request.bodyLease?.until(working);
    const judgment = await deadline.race(working);
    metrics.onJudgment(judgment);
    return judgment;
  }

  /** What is wrong with one post stays with it; what ends the whole request ends it. */
  function rowError(error: unknown, { signal }: Deadline): RequestError {
    if (signal.aborted) throw error;
    const known = requestErrorOf(error, limits.bodyBytes, undefined);
    if (known.code === 'internal-error') app.log.error({ err: error }, 'a post of a batch failed');
    return known;
  }

  async function withDeadline<Value>(reply: FastifyReply, act: (deadline: Deadline) => Promise<Value>): Promise<Value> {
    const deadline = answerDeadline(reply.raw, limits.answerMilliseconds);
    try {
      return await act(deadline);
    } finally {
      deadline.release();
    }
  }
}

function attempt<Value>(act: () => Value): Value | RequestError {
  try {
    return act();
  } catch (error) {
    if (error instanceof RequestError) return error;
    throw error;
  }
}

function jsonOnly(): RequestError {
  return new RequestError('unsupported-media-type', {
    subject: 'The request',
    expected: 'a batch of type application/json',
    received: 'a form',
    remedy: 'send the posts as JSON, or one by one to /v1/predict',
  });
}
