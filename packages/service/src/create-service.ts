import fastify, { LogController, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { bearerAuthentication } from './authentication.js';
import { BodyBudget, type BodyLease } from './body-budget.js';
import { clientErrorHandler } from './client-errors.js';
import { addFormParser } from './form-body.js';
import { addJsonParser } from './json-body.js';
import { DEFAULT_LIMITS, type ServiceLimits } from './limits.js';
import { Metrics } from './metrics.js';
import { addModelRoute } from './model-route.js';
import { collectRoutes } from './openapi.js';
import { addOperationRoutes } from './operation-routes.js';
import { addPredictRoutes } from './predict-routes.js';
import { notFound, problemOf, PROBLEM_TYPE, requestErrorOf, RETRY_AFTER_SECONDS } from './problem.js';
import { RequestError } from './request-error.js';
import type { ModelDescription } from './schemas.js';
import { SECURITY_HEADERS } from './security-headers.js';
import { listFiles, serveFiles } from './static-files.js';
import { Work, type JudgeOfPosts } from './work.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** The request's share of the memory for bodies; null where none is read. */
    bodyLease: BodyLease | null;
  }
}

/** What is served, and within what limits. */
export interface ServiceOptions {
  /** null: `POST /v1/predict` answers 501, and the page judges by itself. */
  readonly judge: JudgeOfPosts | null;
  /** What `GET /v1/model` says of it. */
  readonly model: ModelDescription;
  /** A folder of static files that appears at `/`. */
  readonly page?: string;
  /** A folder that `pnpm export` wrote, which appears at `/model/`: the page then judges by itself. */
  readonly browserModel?: string;
  /** Without it, everybody may ask. Page, health and OpenAPI document are always open. */
  readonly token?: string;
  readonly limits?: Partial<ServiceLimits>;
  /** Images that are decoded at once. Default 2. */
  readonly decoders?: number;
  /** JSON lines, without what posts hold; left out: none. */
  readonly log?: { readonly level: string; readonly stream: { write(line: string): void } };
}

/**
 * Makes the service; `listen` starts it, `close` answers what was accepted and ends it. It disposes of no judge.
 * @throws ConfigurationError for a folder that is none
 */
export async function createService(options: ServiceOptions): Promise<FastifyInstance> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const budget = new BodyBudget(limits);
  const work = options.judge === null ? null : new Work({
    judge: options.judge,
    limits,
    decoders: options.decoders ?? 2,
    onStage: (stage, seconds) => metrics.onStage(stage, seconds),
  }); // prettier-ignore
  const metrics = new Metrics({ waitingPosts: () => work?.waiting ?? 0, bodyBytes: () => budget.used });
  const page = options.page === undefined ? null : await listFiles(options.page, 'The page’s folder');
  const modelFiles = options.browserModel === undefined ? null : await listFiles(options.browserModel, 'The exported folder'); // prettier-ignore
  let closing = false;

  const app: FastifyInstance = fastify({
    bodyLimit: limits.bodyBytes,
    requestTimeout: limits.requestMilliseconds,
    keepAliveTimeout: limits.idleMilliseconds,
    http: {
      headersTimeout: Math.min(limits.headerMilliseconds, limits.requestMilliseconds),
      requestTimeout: limits.requestMilliseconds,
      connectionsCheckingInterval: Math.min(1_000, Math.ceil(limits.requestMilliseconds / 4)),
    },
    return503OnClosing: false, // our own answer says the same as a problem
    logController: new LogController({ disableRequestLogging: true }), // `watch` writes the one line
    logger: loggerOptions(options.log),
    frameworkErrors: (error, request, reply) => void answerError(error, request, reply),
    clientErrorHandler: clientErrorHandler(limits, (status) => metrics.onRequest('none', 'none', status, 0)),
  });
  app.server.maxConnections = limits.connections;
  app.decorateRequest('bodyLease', null);
  app.setErrorHandler(answerError);
  app.setNotFoundHandler((request) => {
    throw unknownRoute(app, request);
  });
  app.addHook('preClose', async () => void (closing = true));
  app.addHook('onSend', async (_, reply) => {
    if (closing) reply.header('connection', 'close'); // else it would be kept, and waited for
  });
  app.addHook('onRequest', async (request, reply) => {
    watch(request, reply);
    reply.headers(SECURITY_HEADERS);
    if (!request.url.startsWith('/v1/')) return;
    reply.header('cache-control', 'no-store');
  });

  await collectRoutes(app, options.model.version, options.token !== undefined);
  addOperationRoutes(app, { isReady: () => !closing && (work?.failures ?? 0) < 3 });
  if (page !== null) await app.register((scope) => serveFiles(scope, { folder: options.page as string, files: page, prefix: '/' })); // prettier-ignore

  const authenticate = bearerAuthentication(options.token ?? null);
  await app.register(async (guarded) => {
    guarded.addHook('onRequest', async (request) => authenticate(request));
    addModelRoute(guarded, { ...options, limits, files: modelFiles });
    if (modelFiles !== null) {
      await guarded.register((scope) => serveFiles(scope, { folder: options.browserModel as string, files: modelFiles, prefix: '/model/' })); // prettier-ignore
    }
    guarded.get('/metrics', { schema: { summary: 'For Prometheus', tags: ['operation'] } }, async (_, reply) => {
      return reply.type(metrics.contentType).send(await metrics.text());
    });
    await guarded.register(async (posts) => {
      posts.removeAllContentTypeParsers();
      addJsonParser(posts);
      await addFormParser(posts, limits.bodyBytes);
      posts.addHook('onRequest', async (request, reply) => {
        if (closing) throw shutsDown();
        if (work === null) throw noJudge();
        const lease = budget.take(request.headers['content-length']);
        request.bodyLease = lease;
        reply.raw.once('close', () => lease.release());
      });
      addPredictRoutes(posts, { work: work as Work, limits, metrics });
    });
  });
  return app;

  /** Counts and logs a request when its answer has gone out, or its client has left. */
  function watch(request: FastifyRequest, reply: FastifyReply): void {
    const started = performance.now();
    reply.raw.once('close', () => {
      const { url: route = 'none' } = request.routeOptions;
      const status = reply.raw.writableEnded ? reply.raw.statusCode : 499;
      const milliseconds = performance.now() - started;
      metrics.onRequest(route, request.method, status, milliseconds / 1000);
      const bytes = Number(request.headers['content-length'] ?? 0);
      app.log.info({ requestId: request.id, method: request.method, route, status, milliseconds: Math.round(milliseconds), bytes, from: request.ip }, 'request'); // prettier-ignore
    });
  }

  function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const known = requestErrorOf(error, limits.bodyBytes, request.headers['content-type']);
    if (known.code === 'internal-error') app.log.error({ requestId: request.id, err: error }, 'a request failed');
    if (known.status === 401) reply.header('www-authenticate', 'Bearer');
    if (known.status === 503) reply.header('retry-after', RETRY_AFTER_SECONDS);
    // a body that nobody reads to its end: the connection cannot go on
    if (known.status === 413) reply.header('connection', 'close');
    return reply
      .status(known.status)
      .type(PROBLEM_TYPE)
      .send(JSON.stringify(problemOf(known, request.id)));
  }
}

function loggerOptions(log: ServiceOptions['log']) {
  if (log === undefined) return false;
  const level = (name: string): object => ({ level: name });
  const timestamp = (): string => `,"time":"${new Date().toISOString()}"`;
  return { ...log, base: null, formatters: { level }, timestamp };
}

function unknownRoute(app: FastifyInstance, { method, url }: FastifyRequest): RequestError {
  const path = url.split('?')[0] as string;
  const others = (['GET', 'POST'] as const).filter(
    (other) => other !== method && app.hasRoute({ url: path, method: other }),
  );
  if (others.length > 0) {
    return new RequestError('method-not-allowed', {
      subject: 'The request',
      expected: others.join(' or '),
      received: method,
      remedy: 'see /openapi.json',
    });
  }
  return notFound();
}

function shutsDown(): RequestError {
  return new RequestError('closing', {
    subject: 'The service',
    expected: 'to be running',
    received: 'a signal to end',
    remedy: 'ask another instance, or try again when it has started',
  });
}

function noJudge(): RequestError {
  return new RequestError('no-judge', {
    subject: 'The service',
    expected: 'a run to judge with',
    received: 'files for the browser only',
    remedy: 'start it with a run: pnpm serve RUN',
  });
}
