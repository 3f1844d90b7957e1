import { isUtf8 } from 'node:buffer';
import type { FastifyInstance } from 'fastify';
import { excerpt, RequestError } from './request-error.js';

/** Reads `application/json` strictly: UTF-8, one JSON value, no `__proto__` or `constructor` to trip over. */
export function addJsonParser(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const bytes = body as Buffer;
    if (bytes.length === 0) return done(emptyBody());
    if (!isUtf8(bytes)) return done(badJson('bytes that are not UTF-8'));
    void parse(request, bytes.toString('utf8'), (error, value) => {
      done(error === null ? null : badJson(excerpt(error.message, 120)), value);
    });
  });
}

export function emptyBody(): RequestError {
  return new RequestError('empty-body', {
    subject: 'The body',
    expected: 'a post as JSON or as a form',
    received: 'nothing',
    remedy: 'send {"text": …, "image": …}; see /openapi.json',
  });
}

function badJson(received: string): RequestError {
  return new RequestError('bad-json', {
    subject: 'The body',
    expected: 'valid JSON in UTF-8',
    received,
    remedy: 'check how it is made',
  });
}
