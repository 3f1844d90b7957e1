import { createHash, timingSafeEqual } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import { isIPv4, isIPv6, type Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ConfigurationError, refuser } from '@drf/tensor';
import { spell } from '@drf/terminal';
import { excerpt, notFound, problemOf, PROBLEM_TYPE, refuse, type RequestError } from './errors.js';
import type { ServiceLimits } from './limits.js';

/**
 * The page may run its own scripts and WebAssembly (ONNX Runtime compiles some), show pictures that the reader chose, and
 * ask this service; nothing else, from nowhere else, and no other page may frame it. Cross-origin isolation gives it
 * shared memory, so that WebAssembly may use threads.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** On every answer. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
};

/**
 * Checks the bearer token of requests (RFC 6750).
 * @param token left out: everybody may ask
 * @returns a check that throws RequestError (unauthorized); it takes as long for a wrong token as for the right one
 */
export function bearerAuthentication(token: string | undefined): (request: FastifyRequest) => void {
  if (token === undefined) return () => undefined;
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  const expected = digest(token);
  return ({ headers }) => {
    const [, given] = /^Bearer ([^\s]+)$/i.exec(headers.authorization ?? '') ?? [];
    if (given !== undefined && timingSafeEqual(digest(given), expected)) return;
    throw refuse(
      'unauthorized',
      'The request',
      'the header "Authorization: Bearer TOKEN"',
      headers.authorization === undefined ? 'none' : given === undefined ? 'another scheme' : 'a wrong token',
      'ask whoever runs the service for its token',
    );
  };
}

const ALL = ['GET', 'HEAD', 'POST', 'OPTIONS'];

/**
 * Answers requests that no route takes: their `OPTIONS`.
 * @param isFile whether a path is that of a static file
 * @returns what throws RequestError (not-found, method-not-allowed) for others
 */
export function unroutedAnswer(app: FastifyInstance, isFile: (path: string) => boolean) {
  const routes: { readonly methods: readonly string[]; readonly path: RegExp }[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    if (url.includes('*')) return; // files
    const path = url.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replace(/:\w+/g, '[^/]+');
    routes.push({ methods: [method].flat(), path: new RegExp(`^${path}$`) });
  });
  const has = (method: 'GET' | 'POST', url: string): boolean =>
    routes.some(({ methods, path }) => methods.includes(method) && path.test(url));
  const methodsOf = (path: string): readonly string[] => {
    if (path === '*') return ALL; // OPTIONS * asks for the server itself (RFC 9110, section 9.3.7)
    const get = has('GET', path) || isFile(path);
    const methods = [...(get ? ['GET', 'HEAD'] : []), ...(has('POST', path) ? ['POST'] : [])];
    return methods.length === 0 ? [] : [...methods, 'OPTIONS'];
  };
  return ({ method, url }: FastifyRequest, reply: FastifyReply): void => {
    const methods = methodsOf(url.split('?')[0] as string);
    if (methods.length === 0 || methods.includes(method) !== (method === 'OPTIONS')) throw notFound();
    void reply.header('allow', methods.join(', '));
    if (method === 'OPTIONS') return void reply.status(204).send();
    throw refuse(
      'method-not-allowed',
      'The request',
      methods.filter((each) => each !== 'HEAD' && each !== 'OPTIONS').join(' or '),
      method,
      'see /openapi.json',
    );
  };
}

export interface WebOriginOptions {
  /** Names under which it is reached, beside those of this machine. */
  readonly hostNames?: readonly string[];
  /** Origins (`https://app.example.org`) whose pages may ask from a browser. */
  readonly allowedOrigins?: readonly string[];
}

const PREFLIGHT = {
  'access-control-allow-methods': 'GET, HEAD, POST',
  'access-control-allow-headers': 'authorization, content-type, traceparent, tracestate',
  'access-control-max-age': '600',
};

/**
 * Refuses what a browser sends for another site, and answers the preflights of origins that may ask.
 *
 * Browsers act for whatever page is open in them. Against pages that reach this service by a name of their own which
 * they let point here (DNS rebinding), the header `Host` must be one of ours; against pages that send requests to our
 * name, `Sec-Fetch-Site` (Fetch Metadata, W3C) and `Origin` (RFC 6454) must say that no other site asks. Programs that
 * are no browsers send neither.
 * @returns what says whether it has answered, and throws RequestError (bad-request, unknown-host, cross-site)
 * @throws ConfigurationError for what is no host name or no origin
 */
export function webOrigin({ hostNames = [], allowedOrigins = [] }: WebOriginOptions) {
  const names = new Set(hostNames.map(checkedName));
  const origins = new Set(allowedOrigins.map(checkedOrigin));

  function assertHost({ raw, socket }: FastifyRequest): void {
    if (raw.rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'host').length > 1) {
      throw refuse('bad-request', 'The request', 'one header Host', 'several', 'send one');
    }
    const { host } = raw.headers;
    if (host === undefined) return; // HTTP/1.0: no browser
    const name = nameOf(host);
    if (name !== null && (isLoopbackName(name) || names.has(name))) return;
    // on an address that others reach, it may have names that we do not know: then any will do
    const local = socket.localAddress?.replace(/^::ffff:/, '');
    if (local !== undefined && !isLoopbackAddress(local) && (names.size === 0 || name === local)) return;
    throw refuse(
      'unknown-host',
      'The request, header Host',
      names.size === 0 ? 'a name of this machine: localhost, 127.0.0.1 or [::1]' : 'a name of this service',
      excerpt(host),
      `whoever runs the service can name its hosts: ${spell('serve RUN --host-name NAME')}`,
    );
  }

  function assertOrigin({ headers, method }: FastifyRequest): void {
    const { origin, host = '' } = headers;
    if (origin !== undefined && origins.has(origin)) return;
    const site = headers['sec-fetch-site'];
    const isOwn = site === undefined || site === 'same-origin' || site === 'none';
    if (isOwn && (origin === undefined || isOriginOf(origin, host, site === 'same-origin'))) return;
    const isLink = headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
    if (isLink && origin === undefined && (method === 'GET' || method === 'HEAD')) return; // a link was followed
    throw refuse(
      'cross-site',
      'The request',
      'no page of another site to send it',
      origin === undefined ? `Sec-Fetch-Site: ${excerpt(String(site))}` : `Origin: ${excerpt(origin)}`,
      `whoever runs the service can allow origins: ${spell('serve RUN --allow-origin https://…')}`,
    );
  }

  /** @param toldSame the browser says that the origin is the same: a proxy may then have left out the port */
  function isOriginOf(origin: string, host: string, toldSame: boolean): boolean {
    const url = parseUrl(origin);
    const own = url === null ? null : parseUrl(`${url.protocol}//${host}`);
    if (url === null || own === null) return false;
    return url.host === own.host || (toldSame && url.hostname === own.hostname);
  }

  return (request: FastifyRequest, reply: FastifyReply): boolean => {
    assertHost(request);
    if (origins.size > 0) reply.header('vary', 'Origin');
    assertOrigin(request);
    const { origin } = request.headers;
    if (origin === undefined || !origins.has(origin)) return false;
    reply.header('access-control-allow-origin', origin);
    reply.header('access-control-expose-headers', 'Retry-After, X-Model-Version');
    const isPreflight = request.method === 'OPTIONS' && 'access-control-request-method' in request.headers;
    if (isPreflight) void reply.status(204).headers(PREFLIGHT).send();
    return isPreflight;
  };
}

/** Whether an address is of the machine itself: 127.0.0.0/8, ::1. */
export function isLoopbackAddress(address: string): boolean {
  return (isIPv4(address) && address.startsWith('127.')) || (isIPv6(address) && address === '::1');
}

function isLoopbackName(name: string): boolean {
  return name === 'localhost' || isLoopbackAddress(name);
}

/** The name of a header `Host`, in lower case, without port and brackets; null when it is none. */
function nameOf(host: string): string | null {
  const [, bracketed, name] = /^(?:\[([\da-f:.]+)\]|([\w.-]+))(?::\d{1,5})?$/i.exec(host) ?? [];
  return bracketed?.toLowerCase() ?? name?.toLowerCase() ?? null;
}

function parseUrl(text: string): URL | null {
  return URL.canParse(text) ? new URL(text) : null;
}

function checkedName(name: string): string {
  const found = nameOf(name);
  if (found !== null && found === name.toLowerCase()) return found;
  throw refuser(ConfigurationError, 'A host name')(
    'a name without scheme, port and path (api.example.org)',
    excerpt(name),
    'give what browsers and clients call the service',
  );
}

function checkedOrigin(origin: string): string {
  const url = parseUrl(origin);
  if (url !== null && /^https?:$/.test(url.protocol) && url.origin === origin.replace(/\/$/, '')) return url.origin;
  throw refuser(ConfigurationError, 'An allowed origin')(
    'a scheme, a host, and a port unless it is the usual one (https://app.example.org)',
    excerpt(origin),
    'give what browsers send as Origin; * is not taken',
  );
}

interface ClientError extends Error {
  readonly code?: string;
  /** What came, as far as it was read at once. */
  readonly rawPacket?: unknown;
}

/** The first line of a request whose method the parser does not know: `BREW /pot HTTP/1.1`. */
const REQUEST_LINE = /^[!#$%&'*+.^_`|~\w-]+ \S+ HTTP\/1\.[01]\r?\n/;

/**
 * Answers what Node's HTTP parser gives up on: clients that are too slow, headers that are too large, what is no HTTP.
 * @param onAnswer gets the status
 */
export function clientErrorHandler(limits: ServiceLimits, onAnswer: (status: number) => void) {
  return (error: ClientError, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) return void socket.destroy();
    const problem = problemOf(describeClientError(error, limits), 'none');
    const body = JSON.stringify(problem);
    const head = {
      ...SECURITY_HEADERS,
      connection: 'close',
      'content-type': PROBLEM_TYPE,
      'content-length': String(Buffer.byteLength(body)),
    };
    const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.end(`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${lines.join('')}\r\n${body}`);
    socket.once('finish', () => socket.destroy()); // whatever else it sends is not read
    onAnswer(problem.status);
  };
}

function describeClientError({ code, rawPacket }: ClientError, limits: ServiceLimits): RequestError {
  const subject = 'The request';
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return refuse(
      'request-timeout',
      subject,
      `headers within ${limits.headerMilliseconds} ms, all of it within ${limits.requestMilliseconds} ms`,
      'less',
      'send it faster',
    );
  }
  if (code === 'HPE_HEADER_OVERFLOW') {
    return refuse('headers-too-large', subject, 'headers of at most 16 KiB', 'more');
  }
  if (code === 'HPE_INVALID_METHOD' && Buffer.isBuffer(rawPacket) && REQUEST_LINE.test(rawPacket.toString('latin1'))) {
    return refuse('unknown-method', subject, 'a method of HTTP', 'another');
  }
  return refuse('bad-request', subject, 'HTTP/1.1', code ?? 'something else');
}
