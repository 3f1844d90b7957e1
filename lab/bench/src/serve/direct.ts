import { decodeImage } from '@drf/datasets';
import type { Judge, Judgment } from '@drf/predict';
import type { ClientPost } from './posts.js';

/** What the service must answer, and how long the same takes without it: decoding and judging, one post after the other. */
export async function judgeDirectly(
  judge: Judge,
  posts: readonly ClientPost[],
): Promise<{ readonly judgments: readonly Judgment[]; readonly postsPerSecond: number }> {
  const side = judge.info.imageSize;
  const decoding = { width: side, height: side, fit: 'stretch', maximumPixels: 40_000_000 } as const;
  const judgments: Judgment[] = [];
  const started = performance.now();
  for (const { text, image } of posts) {
    const pixels = image === null ? null : await decodeImage('The post', image, decoding);
    judgments.push(await judge.judge({ text, image: pixels }));
  }
  return { judgments, postsPerSecond: (1000 * posts.length) / (performance.now() - started) };
}
