import { STATUS_CODES } from 'node:http';
import swagger from '@fastify/swagger';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { JudgeInfo } from '@drf/judge';
import type { BodyLease } from './admission.js';
import { emptyBody, PostReader, readForm, type ReceivedPost } from './bodies.js';
import { problemOf, PROBLEM_TYPE, refuse, RequestError, requestErrorOf } from './errors.js';
import { MODEL_VERSION_HEADER, type Judging } from './judging.js';
import type { ServiceLimits } from './limits.js';
import { VERSION } from './metrics.js';
import type { ModelIdentity } from './reloadable-judge.js';
import {
  answerSchema,
  batchAnswerSchema,
  batchSchema,
  formSchema,
  jsonSchema,
  modelSchema,
  postSchema,
  problemSchema,
  type Answer,
  type BatchAnswer,
  type ModelAnswer,
} from './schemas.js';
import type { Deadline } from './work.js';

const POST_PROBLEMS = [401, 408, 413, 415, 422, 429, 501, 503, 504];

/** `POST /v1/predict` and `POST /v1/predict/batch`. */
export function addPredictRoutes(app: FastifyInstance, judging: Judging): void {
  const { limits } = judging;
  const reader = new PostReader(limits);

  app.post(
    '/v1/predict',
    {
      schema: {
        summary: 'Judges a post',
        tags: ['predict'],
        body: predictBody(limits),
        response: responses(answerSchema, POST_PROBLEMS),
      },
    },
    async (request, reply): Promise<Answer> => {
      const post = await receive(request);
      return judging.answer(request, reply, 1, async ({ judge, model }) => ({ ...(await judge(post)), model: model.identity })); // prettier-ignore
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
      const places = read.filter((post) => !(post instanceof RequestError)).length;
      return judging.answer(request, reply, places, async ({ judge, model, deadline }) => {
        const answers = read.map(async (post) => {
          if (post instanceof RequestError) return { problem: problemOf(post, request.id) };
          return judge(post).then(
            (judgment) => ({ judgment }),
            (error: unknown) => ({ problem: problemOf(rowError(error, deadline), request.id) }),
          );
        });
        return { answers: await Promise.all(answers), model: model.identity };
      });
    },
  );

  async function receive(request: FastifyRequest): Promise<ReceivedPost> {
    const lease = request.bodyLease as BodyLease;
    if (request.isMultipart()) return reader.readForm(await lease.reading(readForm(request, lease)));
    if (request.body === undefined) throw emptyBody();
    return reader.read(request.body);
  }

  /** What is wrong with one post stays with it; what ends the whole request ends it. */
  function rowError(error: unknown, { signal }: Deadline): RequestError {
    if (signal.aborted) throw error;
    const known = requestErrorOf(error, limits.bodyBytes, undefined);
    if (known.code === 'internal-error') app.log.error({ err: error }, 'a post of a batch failed');
    return known;
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

/** A model as it is described: a `LoadedJudge`, or an export that only browsers judge with. */
interface DescribedModel {
  readonly info: JudgeInfo;
  readonly identity: ModelIdentity;
}

interface ModelRoute {
  /** Asked for each answer: another may have taken over. */
  readonly model: () => DescribedModel;
  /** Whether it judges here. */
  readonly predicts: boolean;
  readonly token?: string;
  readonly limits: ServiceLimits;
  /** Files of the browser's model; null: there is none. */
  readonly files: readonly string[] | null;
}

/** `GET /v1/model`: what a page needs to know before it asks. */
export function addModelRoute(app: FastifyInstance, { model, predicts, token, limits, files }: ModelRoute): void {
  const { bodyBytes, pixels, textCharacters, batchPosts, answerMilliseconds } = limits;
  const schema = {
    summary: 'The model, and where the page judges',
    tags: ['model'],
    response: responses(modelSchema, [401]),
  };
  app.get('/v1/model', { schema }, async (_, reply): Promise<ModelAnswer> => {
    const { info, identity } = model();
    reply.header(MODEL_VERSION_HEADER, identity.version);
    return {
      mode: files === null ? 'server' : 'browser',
      predicts,
      authentication: token === undefined ? 'none' : 'bearer',
      model: identity,
      ...describeModel(info),
      engine: predicts ? info.engine : null,
      files: [...(files ?? [])],
      limits: { bodyBytes, pixels, textCharacters, batchPosts, answerMilliseconds },
    };
  });
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

/** A request's body in JSON, for OpenAPI. */
export function jsonBody(schema: z.ZodType): object {
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
 * @param problem what a problem looks like, where it is none of RFC 9457
 */
export function responses(
  answer: z.ZodType,
  problems: readonly number[],
  type = 'application/json',
  problem: object = { [PROBLEM_TYPE]: { schema: jsonSchema(problemSchema) } },
): object {
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
