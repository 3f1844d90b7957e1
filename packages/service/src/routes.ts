import { STATUS_CODES } from 'node:http';
import { createRequire } from 'node:module';
import swagger from '@fastify/swagger';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { JudgeInfo, Judgment } from '@drf/judge';
import { clientOf, type BodyLease } from './admission.js';
import { emptyBody, PostReader, readForm, type ReceivedPost } from './bodies.js';
import { problemOf, PROBLEM_TYPE, refuse, RequestError, requestErrorOf } from './errors.js';
import type { ServiceLimits } from './limits.js';
import type { Metrics } from './metrics.js';
import {
  batchAnswerSchema,
  batchSchema,
  formSchema,
  jsonSchema,
  judgmentSchema,
  modelSchema,
  postSchema,
  problemSchema,
  type BatchAnswer,
  type ModelAnswer,
} from './schemas.js';
import { answerDeadline, type Deadline, type Work } from './work.js';

const { version: VERSION } = createRequire(import.meta.url)('../package.json') as { readonly version: string };

interface PredictRoutes {
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
      if (request.isMultipart())
        throw refuse(
          'unsupported-media-type',
          'The request',
          'a batch of type application/json',
          'a form',
          'send the posts as JSON, or one by one to /v1/predict',
        );
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

interface ModelRoute {
  readonly judge: object | null;
  readonly info: JudgeInfo;
  readonly token?: string;
  readonly limits: ServiceLimits;
  /** Files of the browser's model; null: there is none. */
  readonly files: readonly string[] | null;
}

/** `GET /v1/model`: what a page needs to know before it asks. */
export function addModelRoute(app: FastifyInstance, { judge, info, token, limits, files }: ModelRoute): void {
  const { bodyBytes, pixels, textCharacters, batchPosts, answerMilliseconds } = limits;
  const answer: ModelAnswer = {
    mode: files === null ? 'server' : 'browser',
    predicts: judge !== null,
    authentication: token === undefined ? 'none' : 'bearer',
    ...describeModel(info),
    engine: judge === null ? null : info.engine,
    files: [...(files ?? [])],
    limits: { bodyBytes, pixels, textCharacters, batchPosts, answerMilliseconds },
  };
  const schema = {
    summary: 'The model, and where the page judges',
    tags: ['model'],
    response: responses(modelSchema, [401]),
  };
  app.get('/v1/model', { schema }, async () => answer);
}

const stateSchema = z.strictObject({ status: z.string() });

/** What a judge says of itself, as the page and other programs read it. */
function describeModel({ name, sources, classes, method, encoders, imageSize, maskToken, calibration }: JudgeInfo) {
  const { temperature, quality } = calibration ?? {};
  const copy = (list: readonly number[] | null): number[] | null => (list === null ? null : [...list]);
  return {
    version: VERSION,
    classes: [...classes],
    method,
    encoders: { image: encoders.image, text: encoders.text },
    run: name,
    checkpoint: sources.map(({ checkpoint }) => checkpoint).join(' + '),
    imageSize,
    maskToken,
    calibration: calibration && {
      temperature: temperature?.temperature ?? null,
      quality: quality == null ? null : { image: copy(quality.image), text: copy(quality.text) },
    },
  };
}

/** `/healthz` (the process answers), `/readyz` (it judges, too), `/openapi.json`. All of them are open. */
export function addOperationRoutes(app: FastifyInstance, { isReady }: { readonly isReady: () => boolean }): void {
  const schema = (summary: string, more: object = {}) => ({
    summary,
    tags: ['operation'],
    security: [],
    response: { ...responses(stateSchema, []), ...more },
  });
  const notReady = { description: 'Not ready', content: { 'application/json': { schema: jsonSchema(stateSchema) } } };
  app.get('/healthz', { schema: schema('Whether the process answers') }, async () => ({ status: 'ok' }));
  app.get(
    '/readyz',
    {
      schema: schema(
        'Whether it judges: 503 while it ends, while the judge’s process starts anew, and after three failures in a row',
        { 503: notReady },
      ),
    },
    async (_, reply) => {
      const ready = isReady();
      return reply.status(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready' });
    },
  );
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
}

function jsonBody(schema: z.ZodType): object {
  return { required: true, content: { 'application/json': { schema: jsonSchema(schema) } } };
}

function predictBody(limits: ServiceLimits): object {
  return {
    required: true,
    content: {
      'application/json': { schema: jsonSchema(postSchema(limits)) },
      'multipart/form-data': { schema: jsonSchema(formSchema(limits)) },
    },
  };
}

/** What every request may get: it is none, another site's, for another host, or met an error of our own. */
const COMMON_PROBLEMS = [400, 403, 421, 431, 500];

/**
 * The answer of a route, and the problems that it may have beside those that every route may have.
 * @param type of the answer, where it is not JSON
 */
export function responses(answer: z.ZodType, problems: readonly number[], type = 'application/json'): object {
  const problem = { [PROBLEM_TYPE]: { schema: jsonSchema(problemSchema) } };
  const all = [...COMMON_PROBLEMS, ...problems].sort((a, b) => a - b);
  return {
    200: { description: 'OK', content: { [type]: { schema: jsonSchema(answer) } } },
    ...Object.fromEntries(all.map((status) => [status, { description: STATUS_CODES[status], content: problem }])),
  };
}

/** Collects the routes that are added after it, for `/openapi.json`. */
export async function collectRoutes(app: FastifyInstance, hasToken: boolean): Promise<void> {
  const security = hasToken ? { security: [{ bearer: [] }] } : {};
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'DRF',
        version: VERSION,
        description: 'Judges the sentiment of posts made of an image and a text, when either may be bad or missing.',
      },
      ...security,
      ...(hasToken ? { components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } } } : {}),
    },
  });
  // bodies are checked by their readers, with the zod schemas that these JSON schemas come from: a form's parts and a
  // batch's posts go through the same
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
}
