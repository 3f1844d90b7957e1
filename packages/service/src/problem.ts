import { STATUS_CODES } from 'node:http';
import type { FastifyError } from 'fastify';
import { bodyTooLarge } from './body-budget.js';
import { excerpt, RequestError, type ErrorCode } from './request-error.js';
import type { Problem } from './schemas.js';

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
    new RequestError(ours, { subject: 'The request', expected, received, remedy }, { cause: error });
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
      return new RequestError(
        'internal-error',
        {
          subject: 'The service',
          expected: 'to answer',
          received: 'an error of its own',
          remedy: 'try again; whoever runs the service finds more in its log, under this requestId',
        },
        { cause: error },
      );
  }
}

export function notFound(): RequestError {
  return new RequestError('not-found', {
    subject: 'The request',
    expected: 'a path of this service',
    received: 'another',
    remedy: 'see /openapi.json',
  });
}
