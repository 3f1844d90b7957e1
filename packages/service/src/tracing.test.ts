import { execFile } from 'node:child_process';
import { createServer, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { openService } from './testing/service.js';
import { startTracing } from './tracing.js';

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: number };
}

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly status: { readonly code?: number };
}

/** The part of an OTLP request that is read here. */
interface TraceRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly Span[] }[];
  }[];
}

const received: { readonly path: string | undefined; readonly body: TraceRequest }[] = [];
const collector = createServer((request: IncomingMessage, response) => {
  void text(request).then((body) => {
    received.push({ path: request.url, body: JSON.parse(body) as TraceRequest });
    response.setHeader('content-type', 'application/json').end('{}');
  });
});
let endpoint: string;
beforeAll(async () => {
  collector.listen(0, '127.0.0.1');
  await once(collector, 'listening');
  endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
});
afterAll(() => {
  collector.closeAllConnections();
  collector.close();
});
beforeEach(() => void received.splice(0));

const spans = (): Span[] => received.flatMap(({ body }) => body.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans))); // prettier-ignore
const attributesOf = ({ attributes }: { readonly attributes: readonly Attribute[] }): object =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue]));

const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==';

describe('startTracing', () => {
  it('sends a span of each request, in the trace that a client began, and of each stage below it', async () => {
    const tracing = await startTracing({ endpoint: `${endpoint}/` });
    const app = await openService({ tracing });
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
    const payload = { text: 'secret words', image: png };
    const answer = await app.inject({ method: 'POST', url: '/v1/predict?a=secret', payload, headers });
    expect(answer.statusCode).toBe(200);
    await tracing.close();
    expect(received.map(({ path }) => path)).toEqual(['/v1/traces']);
    const [request, ...others] = spans().sort((a, b) => b.kind - a.kind);
    expect(request).toMatchObject({ traceId, parentSpanId: 'b7ad6b7169203331', name: 'POST /v1/predict', kind: 2 });
    expect(answer.headers['traceresponse']).toBe(`00-${traceId}-${request?.spanId}-01`);
    expect(attributesOf(request as Span)).toEqual({
      'http.request.method': 'POST',
      'http.route': '/v1/predict',
      'http.response.status_code': 200,
      'url.path': '/v1/predict',
      'url.scheme': 'http',
      'drf.model.name': 'tiny',
      'drf.model.version': '0',
    });
    expect(others.map(({ name }) => name)).toEqual(['decode', 'wait', 'judge']);
    for (const stage of others) {
      expect(stage).toMatchObject({ traceId, parentSpanId: request?.spanId });
      expect(BigInt(stage.startTimeUnixNano)).toBeGreaterThanOrEqual(BigInt((request as Span).startTimeUnixNano));
      expect(BigInt(stage.endTimeUnixNano)).toBeLessThanOrEqual(BigInt((request as Span).endTimeUnixNano));
    }
    const [resource] = received[0]?.body.resourceSpans ?? [];
    expect(attributesOf(resource?.resource ?? { attributes: [] })).toMatchObject({ 'service.name': 'drf', 'service.version': expect.any(String) as string }); // prettier-ignore
    expect(JSON.stringify(received)).not.toContain('secret');
  });

  it('begins a trace of its own, marks errors of its own, and leaves out what the client does not sample', async () => {
    const tracing = await startTracing({ endpoint });
    const failing = { info: (await import('./testing/service.js')).INFO, judge: () => Promise.reject(new Error('a fault')), close: async () => undefined }; // prettier-ignore
    const app = await openService({ tracing, judge: failing });
    const ask = (headers = {}) => app.inject({ method: 'POST', url: '/v1/predict', payload: { text: 'a' }, headers });
    const [failed] = [await ask(), await ask({ traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00' }), await app.inject({ url: '/nowhere' })]; // prettier-ignore
    expect(failed.statusCode).toBe(500);
    await tracing.close();
    const requests = spans().filter(({ kind }) => kind === 2);
    expect(requests.map(({ name, status }) => [name, status.code ?? 0])).toEqual([['POST /v1/predict', 2], ['GET none', 0]]); // prettier-ignore
    expect(requests[0]?.parentSpanId ?? '').toBe('');
    expect(requests[0]?.traceId).toMatch(/^[0-9a-f]{32}$/);
  });

  it('follows the variables of OpenTelemetry', async () => {
    vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', endpoint);
    vi.stubEnv('OTEL_SERVICE_NAME', 'mood');
    const tracing = await startTracing();
    await (await openService({ tracing })).inject({ url: '/healthz' });
    await tracing.close();
    vi.unstubAllEnvs();
    expect(spans().map(({ name }) => name)).toEqual(['GET /healthz']);
    const [resource] = received[0]?.body.resourceSpans ?? [];
    expect(attributesOf(resource?.resource ?? { attributes: [] })).toMatchObject({ 'service.name': 'mood' });
  });

  it('says what to install where its libraries are not, and needs none of them unless it is called', async () => {
    const hooks = `export async function resolve(name, context, next) {
      if (!name.startsWith('@opentelemetry/')) return next(name, context);
      throw Object.assign(new Error('Cannot find package ' + name), { code: 'ERR_MODULE_NOT_FOUND' });
    }`;
    const program = `
      import { register } from 'node:module';
      register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hooks)}));
      const { startTracing } = await import(${JSON.stringify(new URL('./tracing.ts', import.meta.url).href)});
      await startTracing().catch((error) => console.log(error.message));
    `;
    const root = fileURLToPath(new URL('../../../', import.meta.url));
    const args = ['--conditions=source', '--import', './scripts/from-source.mjs', '--input-type=module', '-e', program];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
    expect(stdout).toMatch(/^Tracing expected the libraries of OpenTelemetry, received some that are not installed: Cannot find package @opentelemetry\/.*; npm install @opentelemetry\/api /); // prettier-ignore
  });
});
