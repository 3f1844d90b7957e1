import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { parse } from 'secure-json-parse';
import type { BodyLease } from './body-budget.js';
import { assertFewValues } from './json-structure.js';
import { excerpt, RequestError } from './request-error.js';

/** Reads `application/json` strictly: UTF-8, one JSON value, no `__proto__` or `constructor` to trip over. */
export function addJsonParser(app: FastifyInstance): void {
  app.addContentTypeParser('application/json', async (request: FastifyRequest, payload: Readable) => {
    const lease = request.bodyLease as BodyLease;
    const body = await lease.reading(readBytes(payload, lease));
    if (body.length === 0) throw emptyBody();
    if (!isUtf8(body)) throw badJson('bytes that are not UTF-8');
    assertFewValues(body);
    try {
      return parse(body.toString('utf8'), { protoAction: 'error', constructorAction: 'error' }) as unknown;
    } catch (error) {
      throw badJson(excerpt((error as Error).message, 120));
    }
  });
}

/** All of a stream. It is left open when its reading ends early, so that the client can be told why. */
export async function readBytes(stream: Readable, lease: Pick<BodyLease, 'grow'>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    lease.grow((chunk as Buffer).length);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
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
