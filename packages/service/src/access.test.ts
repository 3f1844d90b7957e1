import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { Problem } from './schemas.js';
import { openService, openSocketService } from './testing/service.js';
import { webOrigin } from './access.js';

type Headers = Readonly<Record<string, string>>;
type App = Awaited<ReturnType<typeof openService>>;

const ask = (app: App, headers: Headers, method: 'GET' | 'POST' | 'OPTIONS' = 'POST', url = '/v1/predict') =>
  app.inject({ method, url, headers, ...(method === 'POST' ? { payload: { text: 'a' } } : {}) });

describe('the header Host', () => {
  it.each([
    ['localhost', 200],
    ['LOCALHOST:8080', 200],
    ['127.0.0.1', 200],
    ['127.1.2.3:80', 200],
    ['[::1]:8080', 200],
    ['evil.example', 421],
    ['evil.example:8080', 421],
    ['localhost.evil.example', 421],
    ['127.0.0.1.evil.example', 421],
    ['127.evil.example', 421],
    ['evil.example@localhost', 421],
    ['192.0.2.7', 421],
    ['[::2]', 421],
    ['0.0.0.0', 421],
    ['localhost:8080:9', 421],
    ['localhost evil.example', 421],
  ])('%s, on loopback: %i', async (host, status) => {
    const { port } = await openSocketService();
    for (const path of ['/healthz', '/v1/model', '/no-such-thing']) {
      const answer = await new Promise<number | undefined>((resolve, reject) => {
        const sent = request({ host: '127.0.0.1', port, path, headers: { host } }, (response) => {
          response.resume();
          resolve(response.statusCode);
        });
        sent.on('error', reject).end();
      });
      expect(answer).toBe(status === 200 && path === '/no-such-thing' ? 404 : status);
    }
  });

  it('may be a name that was given, and says how to give one', async () => {
    const app = await openService({ hostNames: ['api.example.org'] });
    for (const host of ['api.example.org', 'API.example.org:443', 'localhost']) {
      expect((await ask(app, { host })).statusCode).toBe(200);
    }
    const refused = await ask(app, { host: 'other.example.org' });
    expect([refused.statusCode, refused.json<Problem>()]).toEqual([
      421,
      {
        title: 'Misdirected Request',
        status: 421,
        code: 'unknown-host',
        detail: 'The request, header Host expected a name of this service, received "other.example.org"; whoever runs the service can name its hosts: pnpm serve RUN --host-name NAME',
        requestId: expect.any(String) as string,
      },
    ]); // prettier-ignore
  });
});

describe('what a browser sends', () => {
  const own = { host: 'localhost:8080' };
  it.each([
    ['by this page', { ...own, origin: 'http://localhost:8080', 'sec-fetch-site': 'same-origin' }, 200],
    ['by this page, from an old browser', { ...own, origin: 'http://localhost:8080' }, 200],
    ['by a program', own, 200],
    ['for another site', { ...own, origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }, 403],
    ['for another site, without Origin', { ...own, 'sec-fetch-site': 'cross-site' }, 403],
    ['for another port', { ...own, origin: 'http://localhost:9090', 'sec-fetch-site': 'same-site' }, 403],
    ['for another site, from an old browser', { ...own, origin: 'https://evil.example' }, 403],
    ['for another port, from an old browser', { ...own, origin: 'http://localhost:9090' }, 403],
    ['for a page without origin', { ...own, origin: 'null' }, 403],
    ['for a page without origin that it calls the same', { ...own, origin: 'null', 'sec-fetch-site': 'same-origin' }, 403],
    ['for what is no origin', { ...own, origin: 'localhost:8080' }, 403],
    ['with an unknown site', { ...own, 'sec-fetch-site': 'nonsense' }, 403],
    ['by this page, whose port a proxy left out', { host: 'localhost', origin: 'https://localhost:8443', 'sec-fetch-site': 'same-origin' }, 200],
    ['for a site that only calls itself the same', { ...own, origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' }, 403],
  ])('%s: %s', async (_, headers, status) => {
    const app = await openService();
    const answer = await ask(app, headers);
    expect(answer.statusCode).toBe(status);
    if (status === 403) expect(answer.json<Problem>().code).toBe('cross-site');
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
  }); // prettier-ignore

  it('when a link to it is followed, is answered; when it is framed or loaded by another site, not', async () => {
    const app = await openService();
    const link = { ...own, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
    expect((await ask(app, link, 'GET', '/v1/model')).statusCode).toBe(200);
    expect((await ask(app, { ...link, 'sec-fetch-dest': 'iframe' }, 'GET', '/v1/model')).statusCode).toBe(403);
    expect((await ask(app, { ...link, 'sec-fetch-mode': 'no-cors' }, 'GET', '/v1/model')).statusCode).toBe(403);
    expect((await ask(app, link, 'POST')).statusCode).toBe(403);
  });
});

describe('an origin that may ask', () => {
  const origin = 'https://app.example.org';
  const headers = { host: 'localhost', origin, 'sec-fetch-site': 'cross-site' };

  it('gets its answers, readable, and its preflights answered', async () => {
    const app = await openService({ allowedOrigins: [origin], token: 'abcdefghijklmnop' });
    const preflight = { ...headers, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,content-type' }; // prettier-ignore
    const allowed = await ask(app, preflight, 'OPTIONS');
    expect([allowed.statusCode, allowed.headers['access-control-allow-origin'], allowed.headers.vary]).toEqual([204, origin, 'Origin']); // prettier-ignore
    expect(allowed.headers['access-control-allow-headers']).toBe(
      'authorization, content-type, traceparent, tracestate',
    );
    const answer = await ask(app, { ...headers, authorization: 'Bearer abcdefghijklmnop' });
    expect([answer.statusCode, answer.headers['access-control-allow-origin']]).toEqual([200, origin]);
    const problem = await ask(app, headers);
    expect([problem.statusCode, problem.headers['access-control-allow-origin']]).toEqual([401, origin]);
  });

  it.each(['https://app.example.org:444', 'http://app.example.org', 'https://evil.example', 'null'])(
    'is not %s',
    async (other) => {
      const app = await openService({ allowedOrigins: [origin] });
      const preflight = { ...headers, origin: other, 'access-control-request-method': 'POST' };
      for (const [sent, method] of [[preflight, 'OPTIONS'], [{ ...headers, origin: other }, 'POST']] as const) {
        const refused = await ask(app, sent, method);
        expect([refused.statusCode, refused.headers.vary]).toEqual([403, 'Origin']);
        expect(refused.headers).not.toHaveProperty('access-control-allow-origin');
      }
    },
  ); // prettier-ignore

  it.each(['*', 'app.example.org', 'https://app.example.org/path', 'https://*.example.org/x', 'null', 'ftp://a.example'])(
    'cannot be %s',
    (value) => expect(() => webOrigin({ allowedOrigins: [value] })).toThrow(/^An allowed origin expected a scheme/),
  ); // prettier-ignore

  it.each(['https://a.example', 'a.example:80', 'a.example/x', '', '*'])('and a host cannot be named %j', (value) => {
    expect(() => webOrigin({ hostNames: [value] })).toThrow(/^A host name expected a name without scheme/);
  });
});
