import type { FastifyInstance } from 'fastify';
import type { Judgment, PostContent } from '@drf/predict';
import { afterEach } from 'vitest';
import { createService, type ServiceOptions } from '../create-service.js';
import type { ModelDescription } from '../schemas.js';
import type { JudgeOfPosts } from '../work.js';

export const MODEL: ModelDescription = {
  version: '1.2.3',
  classes: ['positive', 'negative'],
  method: 'drf',
  encoders: { image: 'tiny-image', text: 'tiny-text' },
  run: 'tiny',
  checkpoint: 'step-1.safetensors',
  engine: 'eager:cpu',
  imageSize: 8,
  maskToken: '[MASK]',
  calibration: { temperature: 1.5, quality: { image: [-2, -1, 0], text: null } },
};

/** A judgment that depends on every pixel and letter of its post, and on nothing else. */
export function judgmentOf({ image, text }: PostContent): Judgment {
  let sum = 1;
  for (const byte of [...(image?.data ?? []), ...Buffer.from(text ?? '')]) sum = (sum * 31 + byte) % 9973;
  const positive = sum / 9973;
  return {
    label: positive >= 0.5 ? 'positive' : 'negative',
    probabilities: { positive, negative: 1 - positive },
    quality: { image: image === null ? null : positive / 3, text: text === null ? null : positive / 7 },
    logDensity: { image: image === null ? null : -positive, text: text === null ? null : -1 / positive },
    pairWeights: { original: 0.5, imageAndRecoveredText: 0.25, recoveredImageAndText: 0.25 },
    recovered: image === null ? 'image' : text === null ? 'text' : null,
    unfamiliar: false,
  };
}

export const instantJudge: JudgeOfPosts = { imageSize: 8, judge: async (post) => judgmentOf(post) };

/** A judge that answers when it is told to. */
export class HeldJudge implements JudgeOfPosts {
  readonly imageSize = 8;
  readonly seen: PostContent[] = [];
  private readonly held: (() => void)[] = [];

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
  const app = await createService({ judge: instantJudge, model: MODEL, ...options });
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
