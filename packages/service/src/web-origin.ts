import { isIPv4, isIPv6 } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ConfigurationError } from '@drf/tensor';
import { excerpt, RequestError } from './request-error.js';

export interface WebOriginOptions {
  /** Names under which it is reached, beside those of this machine. */
  readonly hostNames?: readonly string[];
  /** Origins (`https://app.example.org`) whose pages may ask from a browser. */
  readonly allowedOrigins?: readonly string[];
}

/** Refuses what a browser sends for another site, and answers the preflights of origins that may ask. */
export interface WebOrigin {
  /**
   * @returns whether it has answered
   * @throws RequestError (bad-request, unknown-host, cross-site)
   */
  admit(request: FastifyRequest, reply: FastifyReply): boolean;
}

const PREFLIGHT = {
  'access-control-allow-methods': 'GET, HEAD, POST',
  'access-control-allow-headers': 'authorization, content-type',
  'access-control-max-age': '600',
};

/**
 * Browsers act for whatever page is open in them. Against pages that reach this service by a name of their own which
 * they let point here (DNS rebinding), the header `Host` must be one of ours; against pages that send requests to our
 * name, `Sec-Fetch-Site` (Fetch Metadata, W3C) and `Origin` (RFC 6454) must say that no other site asks. Programs that
 * are no browsers send neither.
 * @throws ConfigurationError for what is no host name or no origin
 */
export function webOrigin({ hostNames = [], allowedOrigins = [] }: WebOriginOptions): WebOrigin {
  const names = new Set(hostNames.map(checkedName));
  const origins = new Set(allowedOrigins.map(checkedOrigin));

  function assertHost({ raw, socket }: FastifyRequest): void {
    if (raw.rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'host').length > 1) {
      throw new RequestError('bad-request', {
        subject: 'The request',
        expected: 'one header Host',
        received: 'several',
        remedy: 'send one',
      });
    }
    const { host } = raw.headers;
    if (host === undefined) return; // HTTP/1.0: no browser
    const name = nameOf(host);
    if (name !== null && (isLoopbackName(name) || names.has(name))) return;
    // on an address that others reach, it may have names that we do not know: then any will do
    const local = socket.localAddress?.replace(/^::ffff:/, '');
    if (local !== undefined && !isLoopbackAddress(local) && (names.size === 0 || name === local)) return;
    throw new RequestError('unknown-host', {
      subject: 'The request, header Host',
      expected: names.size === 0 ? 'a name of this machine: localhost, 127.0.0.1 or [::1]' : 'a name of this service',
      received: excerpt(host),
      remedy: 'whoever runs the service can name its hosts: pnpm serve RUN --host-name NAME',
    });
  }

  function assertOrigin({ headers, method }: FastifyRequest): void {
    const { origin, host = '' } = headers;
    if (origin !== undefined && origins.has(origin)) return;
    const site = headers['sec-fetch-site'];
    const isOwn = site === undefined || site === 'same-origin' || site === 'none';
    if (isOwn && (origin === undefined || isOriginOf(origin, host, site === 'same-origin'))) return;
    const isLink = headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
    if (isLink && origin === undefined && (method === 'GET' || method === 'HEAD')) return; // a link was followed
    throw new RequestError('cross-site', {
      subject: 'The request',
      expected: 'no page of another site to send it',
      received: origin === undefined ? `Sec-Fetch-Site: ${excerpt(String(site))}` : `Origin: ${excerpt(origin)}`,
      remedy: 'whoever runs the service can allow origins: pnpm serve RUN --allow-origin https://…',
    });
  }

  /** @param toldSame the browser says that the origin is the same: a proxy may then have left out the port */
  function isOriginOf(origin: string, host: string, toldSame: boolean): boolean {
    const url = parseUrl(origin);
    const own = url === null ? null : parseUrl(`${url.protocol}//${host}`);
    if (url === null || own === null) return false;
    return url.host === own.host || (toldSame && url.hostname === own.hostname);
  }

  return {
    admit: (request, reply) => {
      assertHost(request);
      if (origins.size > 0) reply.header('vary', 'Origin');
      assertOrigin(request);
      const { origin } = request.headers;
      if (origin === undefined || !origins.has(origin)) return false;
      reply.header('access-control-allow-origin', origin).header('access-control-expose-headers', 'Retry-After');
      const isPreflight = request.method === 'OPTIONS' && 'access-control-request-method' in request.headers;
      if (isPreflight) void reply.status(204).headers(PREFLIGHT).send();
      return isPreflight;
    },
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
  throw new ConfigurationError({
    subject: 'A host name',
    expected: 'a name without scheme, port and path (api.example.org)',
    received: excerpt(name),
    remedy: 'give what browsers and clients call the service',
  });
}

function checkedOrigin(origin: string): string {
  const url = parseUrl(origin);
  if (url !== null && /^https?:$/.test(url.protocol) && url.origin === origin.replace(/\/$/, '')) return url.origin;
  throw new ConfigurationError({
    subject: 'An allowed origin',
    expected: 'a scheme, a host, and a port unless it is the usual one (https://app.example.org)',
    received: excerpt(origin),
    remedy: 'give what browsers send as Origin; * is not taken',
  });
}
