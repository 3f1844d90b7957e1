import type { FastifyInstance } from 'fastify';
import type { JudgeInfo, Judgment, PostContent } from '@drf/judge';
import { afterEach } from 'vitest';
import { createService, type ServiceOptions } from '../create-service.js';
import type { ServedJudge } from '../work.js';
import { INFO, judgmentOf } from './fake-judge.js';

export { INFO, judgmentOf };

/** What the service answers, by such a judge. */
export function answerOf(post: PostContent): object {
  return { ...judgmentOf(post), model: { name: INFO.name, version: '0' } };
}

const close = async (): Promise<void> => undefined;

export const instantJudge: ServedJudge = { info: INFO, judge: async (post) => judgmentOf(post), close };

/** A judge that answers when it is told to. */
export class HeldJudge implements ServedJudge {
  readonly info: JudgeInfo;
  readonly close = close;
  readonly seen: PostContent[] = [];
  private readonly held: (() => void)[] = [];

  constructor(preferredBatch?: number) {
    this.info = { ...INFO, preferredBatch };
  }

  judge(post: PostContent): Promise<Judgment> {
    this.seen.push(post);
    return new Promise((resolve) => this.held.push(() => resolve(judgmentOf(post))));
  }

  /** Answers what it is judging, and waits for the next to come. */
  async answerOne(): Promise<void> {
    while (this.held.length === 0) await new Promise((resolve) => setImmediate(resolve));
    this.held.shift()?.();
  }
}

const open: FastifyInstance[] = [];
afterEach(async () => {
  for (const app of open.splice(0)) {
    app.server.closeAllConnections();
    await app.close();
  }
});

/** A service that is closed after the test. */
export async function openService(options: Partial<ServiceOptions> = {}): Promise<FastifyInstance> {
  const app = await createService({ judge: instantJudge, ...options });
  open.push(app);
  return app;
}

/** One that listens on a free port. */
export async function openSocketService(
  options: Partial<ServiceOptions> = {},
): Promise<{ readonly app: FastifyInstance; readonly address: string; readonly port: number }> {
  const app = await openService(options);
  const address = await app.listen({ host: '127.0.0.1', port: 0 });
  return { app, address, port: Number(new URL(address).port) };
}
