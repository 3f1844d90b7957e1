import type { FastifyInstance } from 'fastify';
import type { ServiceLimits } from './limits.js';
import { responses } from './openapi.js';
import { modelSchema, type ModelAnswer, type ModelDescription } from './schemas.js';

export interface ModelRoute {
  readonly judge: object | null;
  readonly model: ModelDescription;
  readonly token?: string;
  readonly limits: ServiceLimits;
  /** Files of the browser's model; null: there is none. */
  readonly files: readonly string[] | null;
}

/** `GET /v1/model`: what a page needs to know before it asks. */
export function addModelRoute(app: FastifyInstance, { judge, model, token, limits, files }: ModelRoute): void {
  const { bodyBytes, pixels, textCharacters, batchPosts, answerMilliseconds } = limits;
  const answer: ModelAnswer = {
    mode: files === null ? 'server' : 'browser',
    predicts: judge !== null,
    authentication: token === undefined ? 'none' : 'bearer',
    ...model,
    files: [...(files ?? [])],
    limits: { bodyBytes, pixels, textCharacters, batchPosts, answerMilliseconds },
  };
  const schema = {
    summary: 'The model, and where the page judges',
    tags: ['model'],
    response: responses(modelSchema, [401]),
  };
  app.get('/v1/model', { schema }, async () => answer);
}
