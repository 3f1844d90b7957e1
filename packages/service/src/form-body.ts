import { isUtf8 } from 'node:buffer';
import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { BodyLease } from './body-budget.js';
import { readBytes } from './json-body.js';
import { excerpt, RequestError } from './request-error.js';

/** Lets `multipart/form-data` in: one field "text", one file "image". */
export async function addFormParser(app: FastifyInstance, bodyBytes: number): Promise<void> {
  await app.register(multipart, {
    // a text comes as a field or as a file, whatever a client takes it for; both are read as bytes
    isPartAFile: () => true,
    // a byte more than a body may have: who reads it counts, and nothing is cut off in silence
    limits: { fileSize: bodyBytes + 1, files: 2, fields: 2, parts: 2, fieldNameSize: 100, headerPairs: 20 },
  });
}

/**
 * Reads a form's parts by name.
 * @throws RequestError (bad-multipart, bad-post); as `BodyLease.grow`; as `@fastify/multipart` does for parts that are too many or too large
 */
export async function readForm(
  request: FastifyRequest,
  lease: Pick<BodyLease, 'grow'>,
): Promise<{ [name: string]: string | Uint8Array }> {
  const form = new Map<string, string | Uint8Array>();
  try {
    for await (const part of request.parts()) {
      if (part.type !== 'file') continue;
      const bytes = await readBytes(part.file, lease);
      const name = part.fieldname;
      if (form.has(name)) throw twice(name);
      form.set(name, name === 'text' ? utf8(bytes) : bytes);
    }
  } catch (error) {
    const { code } = error as { readonly code?: string };
    if (error instanceof RequestError || code?.startsWith('FST_') === true) throw error;
    throw badMultipart((error as Error).message, error);
  }
  return Object.fromEntries(form);
}

function utf8(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  throw badMultipart('a text that is not UTF-8');
}

function twice(name: string): RequestError {
  return new RequestError('bad-post', {
    subject: 'The form',
    expected: 'each field once',
    received: `${excerpt(name)} twice`,
    remedy: 'send one post',
  });
}

function badMultipart(received: string, cause?: unknown): RequestError {
  return new RequestError(
    'bad-multipart',
    {
      subject: 'The form',
      expected: 'a whole multipart/form-data body with its boundary, texts in UTF-8',
      received: excerpt(received, 120),
      remedy: 'check how it is made',
    },
    { cause },
  );
}
