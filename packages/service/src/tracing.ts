import type { FastifyRequest } from 'fastify';
import { refuser, UnavailableError } from '@drf/tensor';
import { VERSION } from './metrics.js';
import type { ModelIdentity } from './reloadable-judge.js';
import type { Stage } from './work.js';

/** The span of a request, and those of its posts' stages below it. */
export interface RequestSpan {
  /** In hexadecimal; it is in the log, too. */
  readonly traceId: string;
  /** What tells the client which trace it is part of: the header `traceresponse`. */
  readonly traceResponse: string;
  readonly onStage: (stage: Stage, startedAt: number, endedAt: number) => void;
  setModel(model: ModelIdentity): void;
  /** @param status of the answer; 499: the client left */
  end(route: string, status: number): void;
}

/** Where traces go. */
export interface Tracing {
  /** Begins the span of a request, in the trace that its header `traceparent` names, if there is one. */
  begin(request: Pick<FastifyRequest, 'method' | 'url' | 'headers'>): RequestSpan;
  /** Sends what has not been sent. */
  close(): Promise<void>;
}

interface TracingOptions {
  /**
   * Of a collector that takes OTLP over HTTP: `http://collector:4318`, to which `/v1/traces` is added. Left out: as the
   * variables `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` and so on say.
   */
  readonly endpoint?: string;
}

/** What must be installed beside; nothing of it is loaded, or needed, unless traces are asked for. */
const LIBRARIES = [
  '@opentelemetry/api',
  '@opentelemetry/core',
  '@opentelemetry/resources',
  '@opentelemetry/sdk-trace-base',
  '@opentelemetry/exporter-trace-otlp-http',
];

/**
 * Begins to send traces by OpenTelemetry: a span for each request (`SERVER`), and below it one for each stage of each of its posts:
 * decode, wait, judge. Traces that a client began (W3C Trace Context, `traceparent`) are continued, sampled as they say.
 * Other variables of OpenTelemetry hold, too: `OTEL_SERVICE_NAME` (default drf), `OTEL_RESOURCE_ATTRIBUTES`,
 * `OTEL_TRACES_SAMPLER`, `OTEL_EXPORTER_OTLP_HEADERS`.
 * @throws UnavailableError when its libraries are not installed
 */
export async function startTracing({ endpoint }: TracingOptions = {}): Promise<Tracing> {
  const { api, core, resources, sdk, exporter } = await loadLibraries();
  const { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, defaultTextMapGetter } = api;
  const own = resources.resourceFromAttributes({ 'service.name': 'drf', 'service.version': VERSION });
  const environment = resources.detectResources({ detectors: [resources.envDetector] });
  const url = endpoint === undefined ? undefined : `${endpoint.replace(/\/+$/, '')}/v1/traces`;
  const processor = new sdk.BatchSpanProcessor(new exporter.OTLPTraceExporter({ url }));
  const provider = new sdk.BasicTracerProvider({
    resource: resources.defaultResource().merge(own).merge(environment),
    spanProcessors: [processor],
  });
  const tracer = provider.getTracer('@drf/service', VERSION);
  const propagator = new core.W3CTraceContextPropagator();

  return {
    begin({ method, url: target, headers }) {
      const parent = propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter);
      const [path = ''] = target.split('?');
      const attributes = { 'http.request.method': method, 'url.path': path, 'url.scheme': 'http' };
      const span = tracer.startSpan(method, { kind: SpanKind.SERVER, attributes }, parent);
      const inside = trace.setSpan(parent, span);
      const { traceId, spanId, traceFlags } = span.spanContext();
      return {
        traceId,
        traceResponse: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`,
        onStage: (stage, startTime, endedAt) => tracer.startSpan(stage, { startTime }, inside).end(endedAt),
        setModel: ({ name, version }) => void span.setAttributes({ 'drf.model.name': name, 'drf.model.version': version }), // prettier-ignore
        end: (route, status) => {
          span.updateName(`${method} ${route}`);
          span.setAttributes({ 'http.route': route, 'http.response.status_code': status });
          if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
          span.end();
        },
      };
    },
    close: () => provider.shutdown(),
  };
}

async function loadLibraries() {
  try {
    const [api, core, resources, sdk, exporter] = await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/core'),
      import('@opentelemetry/resources'),
      import('@opentelemetry/sdk-trace-base'),
      import('@opentelemetry/exporter-trace-otlp-http'),
    ]);
    return { api, core, resources, sdk, exporter };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw refuser(UnavailableError, 'Tracing')(
      'the libraries of OpenTelemetry',
      `some that are not installed: ${(error as Error).message}`,
      `npm install ${LIBRARIES.join(' ')}`,
      error,
    );
  }
}

const spans = new WeakMap<FastifyRequest, RequestSpan>();

export function setRequestSpan(request: FastifyRequest, span: RequestSpan): void {
  spans.set(request, span);
}

/** The span of a request that is traced. */
export function requestSpan(request: FastifyRequest): RequestSpan | undefined {
  return spans.get(request);
}
