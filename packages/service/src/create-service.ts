import type { Socket } from 'node:net';
import fastify, { LogController, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { JudgeInfo } from '@drf/judge';
import { spell } from '@drf/terminal';
import {
  bearerAuthentication,
  clientErrorHandler,
  SECURITY_HEADERS,
  unroutedAnswer,
  webOrigin,
  type WebOriginOptions,
} from './access.js';
import { BodyBudget, clientOf, Holdings, loggedAddress, shareOf, type BodyLease } from './admission.js';
import { addFormParser, addJsonParser } from './bodies.js';
import {
  escapeControls,
  excerpt,
  problemOf,
  PROBLEM_TYPE,
  refuse,
  requestErrorOf,
  RETRY_AFTER_SECONDS,
  type RequestError,
} from './errors.js';
import { Judging, MODEL_VERSION_HEADER } from './judging.js';
import { addExplainRoute } from './explain.js';
import { DEFAULT_LIMITS, type ServiceLimits } from './limits.js';
import { addExamplesRoute, type ExamplesAnswer } from './examples.js';
import { Metrics, type GroupState, type MetricsOfOne } from './metrics.js';
import {
  addProtocolHealth,
  addProtocolInference,
  addProtocolMetadata,
  assertJsonTensors,
  isOfProtocol,
} from './open-inference.js';
import { identityOf, ReloadableJudge } from './reloadable-judge.js';
import { addModelRoute, addOperationRoutes, addPredictRoutes, collectRoutes, responses } from './routes.js';
import { listFiles, serveFiles } from './static-files.js';
import { setRequestSpan, type Tracing } from './tracing.js';
import { Work, type ServedJudge } from './work.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** The request's share of the memory for bodies; null where none is read. */
    bodyLease: BodyLease | null;
  }
}

/** What `createService` makes. */
export type Service = FastifyInstance;

/** What the others of a group ask one of them. */
export interface GroupMember {
  readonly metrics: () => Promise<MetricsOfOne>;
  readonly isReady: () => boolean;
}

/** Processes that share a port, as each of them sees it. */
export interface ServiceGroup extends GroupState {
  /** Called once, when the service is made. */
  join(member: GroupMember): void;
  /** What `/metrics` answers: of all. */
  metrics(): Promise<string>;
  /** Whether another one takes posts. */
  othersAreReady(): boolean;
}

/** Where lines of the log go, and from which level on: debug, info, warn, error; silent: none. */
export interface ServiceLog {
  readonly level: string;
  readonly stream: { write(line: string): void };
}

/** What is served, and within what limits. */
export interface ServiceOptions extends WebOriginOptions {
  /**
   * null: `POST /v1/predict` answers 501, and the page judges by itself. A `ReloadableJudge` can be replaced while posts
   * come in.
   */
  readonly judge: ServedJudge | ReloadableJudge | null;
  /** What the model is called in answers, where the judge is no `ReloadableJudge`; default as its run. */
  readonly modelName?: string;
  /** Left out: no other process serves here. */
  readonly group?: ServiceGroup;
  /** What `GET /v1/model` says of the model where there is no judge. */
  readonly info?: JudgeInfo;
  /** Posts to try the page on, as `readExamples` reads them; default: none. */
  readonly examples?: ExamplesAnswer;
  /** A folder of static files that appears at `/`. */
  readonly page?: string;
  /** A folder that `drf export` wrote, which appears at `/model/`: the page then judges by itself. */
  readonly browserModel?: string;
  /** Without it, everybody may ask. Page, health and OpenAPI document are always open. */
  readonly token?: string;
  readonly limits?: Partial<ServiceLimits>;
  /**
   * Proxies (addresses, ranges, or `loopback`) that say in `X-Forwarded-For` whom they ask for. Left out, a client is who
   * opens the connection: behind a proxy all are one, with one client's share.
   */
  readonly trustProxy?: readonly string[];
  /** Images that are decoded at once. Default 2. */
  readonly decoders?: number;
  /** Where traces of requests go; of `startTracing`. Left out: nowhere. */
  readonly tracing?: Tracing;
  /** JSON lines, without what posts hold; left out: none. */
  readonly log?: ServiceLog;
}

/**
 * Makes the service; `listen` starts it, `close` answers what was accepted and ends it. It closes no judge.
 * @throws ConfigurationError for a folder that is none, and for what is no host name, origin or address of a proxy
 */
export async function createService(options: ServiceOptions): Promise<FastifyInstance> {
  const { group } = options;
  const judge = reloadable(options);
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const budget = new BodyBudget(limits);
  const work = judge === null ? null : new Work({
    judge,
    limits,
    decoders: options.decoders ?? 2,
    onStage: (stage, seconds) => metrics.onStage(stage, seconds),
  }); // prettier-ignore
  const isReady = (): boolean => !closing && work?.isReady !== false;
  const metrics = new Metrics({
    waitingPosts: () => work?.waiting ?? 0,
    bodyBytes: () => budget.used,
    judgeIsReady: () => work !== null && isReady(),
    judge,
    group,
  });
  group?.join({ metrics: () => metrics.json(), isReady });
  const answersOrigin = webOrigin(options);
  const page = options.page === undefined ? null : await listFiles(options.page, 'The page’s folder');
  const modelFiles = options.browserModel === undefined ? null : await listFiles(options.browserModel, 'The exported folder'); // prettier-ignore
  let closing = false;

  const app: FastifyInstance = fastify({
    bodyLimit: limits.bodyBytes,
    routerOptions: { maxParamLength: 1_000 }, // the names of an ensemble's runs
    requestTimeout: limits.requestMilliseconds,
    trustProxy: options.trustProxy === undefined ? false : [...options.trustProxy],
    keepAliveTimeout: limits.idleMilliseconds,
    http: {
      headersTimeout: Math.min(limits.headerMilliseconds, limits.requestMilliseconds),
      requestTimeout: limits.requestMilliseconds,
      connectionsCheckingInterval: Math.min(1_000, Math.ceil(limits.requestMilliseconds / 4)),
    },
    return503OnClosing: false, // our own answer says the same as a problem
    logController: new LogController({ disableRequestLogging: true }), // `watch` writes the one line
    logger: loggerOptions(options),
    frameworkErrors: (error, request, reply) => void answerError(error, request, reply),
    clientErrorHandler: clientErrorHandler(limits, (status) => metrics.onRequest('none', 'none', status, 0)),
  });
  app.server.maxConnections = limits.connections;
  if (options.trustProxy === undefined) limitConnections(app, limits);
  const answerUnrouted = unroutedAnswer(app, (path) => {
    const name = path.endsWith('/') ? `${path}index.html` : path;
    if (name.startsWith('/model/')) return modelFiles?.includes(name.slice('/model/'.length)) === true;
    return page?.includes(name.slice(1)) === true;
  });
  app.decorateRequest('bodyLease', null);
  app.setErrorHandler(answerError);
  app.setNotFoundHandler(answerUnrouted);
  app.addHook('preClose', async () => void (closing = true));
  app.addHook('onSend', async (_, reply) => {
    if (closing) reply.header('connection', 'close'); // else it would be kept, and waited for
  });
  app.addHook('onRequest', async (request, reply) => {
    watch(request, reply);
    reply.headers(SECURITY_HEADERS);
    if (request.url.startsWith('/v1/') || isOfProtocol(request.url)) reply.header('cache-control', 'no-store');
    if (answersOrigin(request, reply)) return reply;
    if (!request.is404) return undefined;
    answerUnrouted(request, reply); // here, since a body would be read otherwise
    return reply;
  });

  await collectRoutes(app, options.token !== undefined);
  const anyIsReady = (): boolean => isReady() || (!closing && group?.othersAreReady() === true);
  addOperationRoutes(app, { isReady: anyIsReady });
  if (judge !== null) addProtocolHealth(app, anyIsReady);
  if (page !== null) await app.register((scope) => serveFiles(scope, { folder: options.page as string, files: page, prefix: '/' })); // prettier-ignore

  const authenticate = bearerAuthentication(options.token);
  await app.register(async (guarded) => {
    guarded.addHook('onRequest', async (request) => authenticate(request));
    const model = describedModel(options, judge);
    if (model !== null)
      addModelRoute(guarded, { ...options, predicts: judge !== null, model, limits, files: modelFiles });
    if (judge !== null) addProtocolMetadata(guarded, judge, anyIsReady);
    addExamplesRoute(guarded, options.examples);
    if (modelFiles !== null) {
      await guarded.register((scope) => serveFiles(scope, { folder: options.browserModel as string, files: modelFiles, prefix: '/model/' })); // prettier-ignore
    }
    const schema = {
      summary: 'For Prometheus',
      tags: ['operation'],
      response: responses(z.string(), [401], 'text/plain'),
    };
    guarded.get('/metrics', { schema }, async (_, reply) => {
      return reply.type(metrics.contentType).send(await (group ?? metrics).metrics());
    });
    await guarded.register(async (posts) => {
      posts.removeAllContentTypeParsers();
      addJsonParser(posts);
      await addFormParser(posts, limits.bodyBytes);
      posts.addHook('onRequest', async (request, reply) => {
        if (closing) throw shutsDown();
        if (work === null) throw noJudge();
        assertPlain(request.headers['content-encoding']);
        assertJsonTensors(request);
        const lease = budget.open(clientOf(request.ip), request.headers['content-length']);
        request.bodyLease = lease;
        reply.raw.once('close', () => lease.release());
      });
      const judging = new Judging({ judge: judge as ReloadableJudge, work: work as Work, limits, metrics });
      addPredictRoutes(posts, judging);
      if (limits.explanations > 0)
        addExplainRoute(posts, { judge: judge as ReloadableJudge, work: work as Work, limits });
      if (judge !== null) addProtocolInference(posts, judging, judge);
    });
  });
  return app;

  /** Counts, traces and logs a request when its answer has gone out, or its client has left. */
  function watch(request: FastifyRequest, reply: FastifyReply): void {
    const started = performance.now();
    const span = options.tracing?.begin(request);
    if (span !== undefined) {
      setRequestSpan(request, span);
      reply.header('traceresponse', span.traceResponse);
    }
    reply.raw.once('close', () => {
      const { url: route = 'none' } = request.routeOptions;
      const status = reply.raw.writableEnded ? reply.raw.statusCode : 499;
      const milliseconds = performance.now() - started;
      metrics.onRequest(route, request.method, status, milliseconds / 1000);
      span?.end(route, status);
      const bytes = Number(request.headers['content-length'] ?? 0);
      const model = reply.getHeader(MODEL_VERSION_HEADER);
      app.log.info({ requestId: request.id, traceId: span?.traceId, method: request.method, route, status, milliseconds: Math.round(milliseconds), bytes, model, from: loggedAddress(request.ip) }, 'request'); // prettier-ignore
    });
  }

  function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const known = requestErrorOf(error, limits.bodyBytes, request.headers['content-type']);
    if (known.code === 'internal-error') app.log.error({ requestId: request.id, err: error }, 'a request failed');
    if (known.status === 401) reply.header('www-authenticate', 'Bearer');
    if (known.status === 503 || known.status === 429) reply.header('retry-after', RETRY_AFTER_SECONDS);
    if (known.code === 'unsupported-encoding') reply.header('accept-encoding', 'identity');
    if (isUnread(request)) reply.header('connection', 'close');
    const problem = problemOf(known, request.id);
    const isInference = isOfProtocol(request.url);
    return reply
      .status(known.status)
      .type(isInference ? 'application/json' : PROBLEM_TYPE)
      .send(JSON.stringify(isInference ? { error: problem.detail } : problem));
  }
}

/** What `/v1/model` describes; null: nothing is known of a model. */
function describedModel({ info, modelName }: ServiceOptions, judge: ReloadableJudge | null) {
  if (judge !== null) return () => judge.current;
  if (info === undefined) return null;
  const identity = identityOf(info, modelName);
  return () => ({ info, identity });
}

function reloadable({ judge, modelName }: ServiceOptions): ReloadableJudge | null {
  if (judge === null || judge instanceof ReloadableJudge) return judge;
  return new ReloadableJudge(judge, () => Promise.reject(new Error('nothing to reload')), { modelName });
}

function loggerOptions({ log, group }: ServiceOptions) {
  if (log === undefined) return false;
  const { level, stream } = log;
  const timestamp = (): string => `,"time":"${new Date().toISOString()}"`;
  return {
    level,
    stream: { write: (line: string): void => stream.write(escapeControls(line)) },
    base: group === undefined ? null : { worker: group.worker },
    formatters: { level: (name: string): object => ({ level: name }) },
    timestamp,
  };
}

/** Whether a body is under way that nobody reads to its end: the connection cannot go on then. */
function isUnread({ raw, headers }: FastifyRequest): boolean {
  const isAnnounced = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  return isAnnounced && !raw.complete;
}

/** Further connections of a client that has its share are closed. */
function limitConnections(app: FastifyInstance, { connections, clientShare }: ServiceLimits): void {
  const most = shareOf(connections, clientShare, 1);
  const clients = new Holdings();
  app.server.on('connection', (socket: Socket) => {
    const client = clientOf(socket.remoteAddress ?? '');
    if (clients.of(client) >= most) return void socket.destroy();
    clients.add(client, 1);
    socket.once('close', () => clients.add(client, -1));
  });
}

function assertPlain(encoding: string | undefined): void {
  if (encoding === undefined || encoding.trim() === '' || encoding.trim().toLowerCase() === 'identity') return;
  throw refuse(
    'unsupported-encoding',
    'The request',
    'a body as it is',
    `Content-Encoding: ${excerpt(encoding)}`,
    'send it without compression; images are compressed already',
  );
}

function shutsDown(): RequestError {
  return refuse(
    'closing',
    'The service',
    'to be running',
    'a signal to end',
    'ask another instance, or try again when it has started',
  );
}

function noJudge(): RequestError {
  return refuse(
    'no-judge',
    'The service',
    'a run to judge with',
    'files for the browser only',
    `start it with a run: ${spell('serve RUN')}`,
  );
}
