import { STATUS_CODES } from 'node:http';
import type { FastifyError } from 'fastify';
import { DrfError, type ErrorReport } from '@drf/tensor';
import type { Problem } from './schemas.js';

/** What can be wrong with a request, by HTTP status. The names are part of every answer (`code`). */
const STATUS_OF = {
  'bad-json': 400,
  'bad-multipart': 400,
  'bad-request': 400,
  'empty-body': 400,
  unauthorized: 401,
  'cross-site': 403,
  'not-found': 404,
  'method-not-allowed': 405,
  'request-timeout': 408,
  'body-too-large': 413,
  'unsupported-media-type': 415,
  'unsupported-encoding': 415,
  'unknown-host': 421,
  'bad-post': 422,
  'bad-image': 422,
  'image-too-large': 422,
  'text-too-long': 422,
  unjudgeable: 422,
  'client-busy': 429,
  'headers-too-large': 431,
  'client-closed-request': 499,
  'internal-error': 500,
  'no-judge': 501,
  'unknown-method': 501,
  busy: 503,
  closing: 503,
  restarting: 503,
  'answer-timeout': 504,
} as const;
export type ErrorCode = keyof typeof STATUS_OF;

/** A request that is not answered with a judgment, and why. */
export class RequestError extends DrfError {
  static override readonly code: string = 'request';
  declare readonly code: ErrorCode;

  constructor(code: ErrorCode, report: ErrorReport, options?: ErrorOptions) {
    super({ ...report, code }, options);
  }

  get status(): number {
    return STATUS_OF[this.code];
  }
}

/**
 * Builds the error of a request, so that a check reads as one line.
 *
 * ```ts
 * if (posts > places) throw refuse('busy', 'The service', `at most ${places} posts`, `${posts}`, 'try again later');
 * ```
 */
export function refuse(
  code: ErrorCode,
  subject: string,
  expected: string,
  received: string,
  remedy?: string,
  cause?: unknown,
): RequestError {
  return new RequestError(code, { subject, expected, received, remedy }, cause === undefined ? undefined : { cause });
}

/** What a client sent, short enough for a message, without control characters. */
export function excerpt(text: string, length = 60): string {
  const shown = text.length > length ? `${text.slice(0, length)}…` : text;
  return escapeControls(JSON.stringify(shown));
}

/** JSON with those characters escaped, too, that JSON leaves as they are and terminals act on. */
export function escapeControls(json: string): string {
  return json.replace(/[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`); // prettier-ignore
}

export const PROBLEM_TYPE = 'application/problem+json';

/** Seconds after which a client that met a full line may try again. */
export const RETRY_AFTER_SECONDS = 1;

/** What went wrong, as a client is told it (RFC 9457). Nothing of what we do not understand leaves the process. */
export function problemOf(error: RequestError, requestId: string): Problem {
  const { status, code, message } = error;
  const title = code === 'client-closed-request' ? 'Client Closed Request' : (STATUS_CODES[status] as string);
  return { title, status, detail: message, code, requestId };
}

/** Any error as one of ours: those of the server library get our words, others become an internal error. */
export function requestErrorOf(error: unknown, bodyBytes: number, contentType: string | undefined): RequestError {
  if (error instanceof RequestError) return error;
  const { code = '', statusCode = 500 } = (error ?? {}) as Partial<FastifyError>;
  const wrong = (ours: ErrorCode, expected: string, received: string, remedy: string): RequestError =>
    refuse(ours, 'The request', expected, received, remedy, error);
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
    case 'FST_REQ_FILE_TOO_LARGE':
      return bodyTooLarge(bodyBytes, 'more');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_INVALID_MULTIPART_CONTENT_TYPE':
      return wrong(
        'unsupported-media-type',
        'a body of type application/json or multipart/form-data',
        contentType === undefined ? 'no Content-Type' : excerpt(contentType),
        'set the header Content-Type',
      );
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return wrong('bad-request', 'as many bytes as Content-Length says', 'another count', 'correct the header');
    case 'FST_FILES_LIMIT':
    case 'FST_FIELDS_LIMIT':
    case 'FST_PARTS_LIMIT':
      return wrong('bad-post', 'at most one field "text" and one file "image"', 'more parts', 'send one post');
    case 'FST_PROTO_VIOLATION':
      return wrong('bad-post', 'the fields "text" and "image"', 'a reserved name', 'leave it out');
    case 'FST_ERR_BAD_URL':
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return wrong('bad-request', 'a valid path', 'one that cannot be decoded', 'correct the address');
    default:
      if (statusCode === 403 || statusCode === 404) return notFound();
      if (statusCode < 500) return wrong('bad-request', 'a request that HTTP allows', excerpt((error as Error).message, 120), 'correct it'); // prettier-ignore
      return refuse(
        'internal-error',
        'The service',
        'to answer',
        'an error of its own',
        'try again; whoever runs the service finds more in its log, under this requestId',
        error,
      );
  }
}

export function notFound(): RequestError {
  return refuse('not-found', 'The request', 'a path of this service', 'another', 'see /openapi.json');
}

export function bodyTooLarge(limit: number, received: string): RequestError {
  return refuse(
    'body-too-large',
    'The body',
    `at most ${limit} bytes`,
    received,
    'shrink the image, or send fewer posts at once',
  );
}
