import { STATUS_CODES } from 'node:http';
import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import type { ServiceLimits } from './limits.js';
import { PROBLEM_TYPE } from './problem.js';
import { formSchema, jsonSchema, postSchema, problemSchema } from './schemas.js';

export function jsonBody(schema: z.ZodType): object {
  return { required: true, content: { 'application/json': { schema: jsonSchema(schema) } } };
}

export function predictBody(limits: ServiceLimits): object {
  return {
    required: true,
    content: {
      'application/json': { schema: jsonSchema(postSchema(limits)) },
      'multipart/form-data': { schema: jsonSchema(formSchema(limits)) },
    },
  };
}

/** What every request may get: it is none, another site's, for another host, or met an error of our own. */
const COMMON_PROBLEMS = [400, 403, 421, 431, 500];

/**
 * The answer of a route, and the problems that it may have beside those that every route may have.
 * @param type of the answer, where it is not JSON
 */
export function responses(answer: z.ZodType, problems: readonly number[], type = 'application/json'): object {
  const problem = { [PROBLEM_TYPE]: { schema: jsonSchema(problemSchema) } };
  const all = [...COMMON_PROBLEMS, ...problems].sort((a, b) => a - b);
  return {
    200: { description: 'OK', content: { [type]: { schema: jsonSchema(answer) } } },
    ...Object.fromEntries(all.map((status) => [status, { description: STATUS_CODES[status], content: problem }])),
  };
}

/** Collects the routes that are added after it, for `/openapi.json`. */
export async function collectRoutes(app: FastifyInstance, version: string, hasToken: boolean): Promise<void> {
  const security = hasToken ? { security: [{ bearer: [] }] } : {};
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'DRF',
        version,
        description: 'Judges the sentiment of posts made of an image and a text, when either may be bad or missing.',
      },
      ...security,
      ...(hasToken ? { components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } } } : {}),
    },
  });
  // bodies are checked by their readers, with the zod schemas that these JSON schemas come from: a form's parts and a
  // batch's posts go through the same
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
}
