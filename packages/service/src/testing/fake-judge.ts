// A judge for a process of its own, which does what the text of a post tells it to.
import type { OpenedJudge } from '../judge-process/messages.js';
import { DataError } from '@drf/tensor';
import { judgmentOf, MODEL } from './judgments.js';

export async function openJudge(argument: unknown): Promise<OpenedJudge> {
  if (argument === 'refuse') throw new DataError({ subject: 'The run', expected: 'to be there', received: 'nothing' });
  if (argument === 'end') process.exit(7);
  return {
    judge: {
      imageSize: 8,
      judge: async (post) => {
        const { text } = post;
        if (text === 'hold the thread') for (;;);
        if (text === 'never answer') await new Promise(() => undefined);
        if (text === 'end') process.exit(3);
        if (text === 'cannot') throw new DataError({ subject: 'its text', expected: 'sense', received: 'none' });
        if (text === 'its process') return { ...judgmentOf(post), label: String(process.pid) };
        return judgmentOf(post);
      },
    },
    description: MODEL,
    dispose: async () => undefined,
  };
}
