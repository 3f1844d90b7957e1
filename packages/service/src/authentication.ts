import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { RequestError } from './request-error.js';

/** Checks the bearer token of a request (RFC 6750). */
export type Authenticate = (request: FastifyRequest) => void;

/**
 * @param token null: everybody may ask
 * @returns a check that throws RequestError (unauthorized); it takes as long for a wrong token as for the right one
 */
export function bearerAuthentication(token: string | null): Authenticate {
  if (token === null) return () => undefined;
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  const expected = digest(token);
  return ({ headers }) => {
    const [, given] = /^Bearer ([^\s]+)$/i.exec(headers.authorization ?? '') ?? [];
    if (given !== undefined && timingSafeEqual(digest(given), expected)) return;
    throw new RequestError('unauthorized', {
      subject: 'The request',
      expected: 'the header "Authorization: Bearer TOKEN"',
      received: headers.authorization === undefined ? 'none' : given === undefined ? 'another scheme' : 'a wrong token',
      remedy: 'ask whoever runs the service for its token',
    });
  };
}
