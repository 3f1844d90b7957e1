// Loaded in the judge's process.
import { PostJudge } from '@drf/predict';
import type { OpenedJudge } from '@drf/service';
import { describeJudge } from './describe-model.js';

/** What is to be judged with. */
export interface JudgeArgument {
  readonly run: string;
  readonly checkpoint: string | undefined;
  readonly engine: string | undefined;
  /** Whether the hub may be asked for encoders that the run names. */
  readonly allowDownload: boolean | undefined;
}

/**
 * Opens a run, and judges a post of each kind once, so that the first client does not wait for what is made on first use.
 * @throws as `PostJudge.open`
 */
export async function openJudge({ run, ...options }: JudgeArgument): Promise<OpenedJudge> {
  const judge = await PostJudge.open(run, options);
  try {
    await warmUp(judge);
    return { judge, description: describeJudge(judge), dispose: () => judge.dispose() };
  } catch (error) {
    await judge.dispose();
    throw error;
  }
}

async function warmUp(judge: PostJudge): Promise<void> {
  const side = judge.imageSize;
  const image = { width: side, height: side, data: new Uint8Array(side * side * 3).fill(128) };
  const text = 'a post';
  for (const post of [
    { image, text },
    { image, text: null },
    { image: null, text },
  ])
    await judge.judge(post);
}
