// A judge for a process of its own, which does what the text of a post tells it to; and what judges of tests say.
import { setTimeout } from 'node:timers/promises';
import type { Judge, JudgeInfo, Judgment, PostContent } from '@drf/judge';
import { DataError } from '@drf/tensor';

export const INFO: JudgeInfo = {
  name: 'tiny',
  sources: [{ kind: 'run', folder: '/runs/tiny', checkpoint: 'step-1.safetensors', sha256: '0' }],
  classes: ['positive', 'negative'],
  method: 'drf',
  encoders: { image: 'tiny-image', text: 'tiny-text' },
  imageSize: 8,
  maskToken: '[MASK]',
  engine: 'eager:cpu',
  calibration: {
    format: 'drf-calibration-2',
    checkpoint: 'step-1.safetensors',
    temperature: { temperature: 1.5, before: 1, after: 0.9, posts: 100, basis: 'fitted' },
    quality: { image: [-2, -1, 0], text: null, measuredOn: 'validation', posts: { image: 100, text: 0 } },
  },
  notes: [],
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
    intact: { image: image === null ? null : 1 - positive, text: text === null ? null : positive },
    pairWeights: { original: 0.5, imageAndRecoveredText: 0.25, recoveredImageAndText: 0.25 },
    recovered: image === null ? 'image' : text === null ? 'text' : null,
    unfamiliar: false,
  };
}

/** @param command `work`, `work on 4` (at once), or what else is to happen */
export async function openJudge(command: string): Promise<Judge> {
  if (command === 'refuse') throw new DataError({ subject: 'The run', expected: 'to be there', received: 'nothing' });
  if (command === 'end') process.exit(7);
  const preferredBatch = Number(/^work on (\d+)$/.exec(command)?.[1] ?? 1);
  let underWay = 0;
  let turn: Promise<void> = Promise.resolve();
  return {
    info: { ...INFO, preferredBatch },
    judge: async (post: PostContent) => {
      underWay += 1;
      return answer(post).finally(() => (underWay -= 1));
    },
    close: async () => undefined,
  };

  async function answer(post: PostContent): Promise<Judgment> {
    const { text } = post;
    if (text === 'hold the thread') for (;;);
    if (text === 'never answer') await new Promise(() => undefined);
    if (text === 'only alone') await setTimeout(200);
    if (text === 'only alone' && underWay > 1) await new Promise(() => undefined);
    if (text === 'a second, in turn') await (turn = turn.then(() => setTimeout(1000)));
    if (text === 'end') process.exit(3);
    if (text === 'cannot') throw new DataError({ subject: 'its text', expected: 'sense', received: 'none' });
    if (text === 'its process') return { ...judgmentOf(post), label: String(process.pid) };
    return judgmentOf(post);
  }
}
