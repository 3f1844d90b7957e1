import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { responses } from './openapi.js';
import { jsonSchema } from './schemas.js';

const stateSchema = z.strictObject({ status: z.string() });

export interface OperationRoutes {
  readonly isReady: () => boolean;
}

/** `/healthz` (the process answers), `/readyz` (it judges, too), `/openapi.json`. All of them are open. */
export function addOperationRoutes(app: FastifyInstance, { isReady }: OperationRoutes): void {
  const schema = (summary: string, more: object = {}) => ({
    summary,
    tags: ['operation'],
    security: [],
    response: { ...responses(stateSchema, []), ...more },
  });
  const notReady = { description: 'Not ready', content: { 'application/json': { schema: jsonSchema(stateSchema) } } };
  app.get('/healthz', { schema: schema('Whether the process answers') }, async () => ({ status: 'ok' }));
  app.get(
    '/readyz',
    {
      schema: schema(
        'Whether it judges: 503 while it ends, while the judge’s process starts anew, and after three failures in a row',
        { 503: notReady },
      ),
    },
    async (_, reply) => {
      const ready = isReady();
      return reply.status(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready' });
    },
  );
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
}
