import { toPostContent } from './content.js';
import { explainContent, type ExplainOptions, type Explanation } from './explain-content.js';
import type { Judge, JudgeInfo, PostInput } from './judgment.js';

/** A judge as far as explanations ask it. */
type ExplainedJudge = Pick<Judge, 'judge'> & { readonly info: Pick<JudgeInfo, 'imageSize' | 'maskToken'> };

/**
 * Which words, and which parts of the image, moved the answer: {@link explainContent} of a post as `judge` takes it.
 *
 * ```ts
 * const { label, words } = await explain(judge, { text: 'What a lovely day', image: 'park.jpg' });
 * const strongest = [...words].sort((a, b) => b.change.probability - a.change.probability)[0];
 * ```
 * @throws as `explainContent`, and as `toPostContent` for a post of nothing and for what cannot be read or decoded
 */
export async function explain(judge: ExplainedJudge, post: PostInput, options?: ExplainOptions): Promise<Explanation> {
  return explainContent(judge, await toPostContent(post, judge.info), options);
}
