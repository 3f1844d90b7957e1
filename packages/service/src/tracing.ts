import type { FastifyRequest } from 'fastify';
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

const spans = new WeakMap<FastifyRequest, RequestSpan>();

export function setRequestSpan(request: FastifyRequest, span: RequestSpan): void {
  spans.set(request, span);
}

export function requestSpan(request: FastifyRequest): RequestSpan | undefined {
  return spans.get(request);
}
