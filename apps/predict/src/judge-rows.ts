import type { SeenPosts, UnlabeledResult } from '@drf/datasets';
import type { Judge, JudgeInfo } from '@drf/judge';
import { DataError, mapAhead } from '@drf/tensor';
import { inputValues, type JudgedRow } from './prediction-row.js';

/** A judge, as far as tables of posts need one. */
export interface TableJudge extends Pick<Judge, 'judge'> {
  readonly info: Pick<JudgeInfo, 'classes' | 'imageSize' | 'engine' | 'sources' | 'preferredBatch'>;
}

/** How images are decoded for a judge. */
export function decodingOf({ imageSize }: Pick<JudgeInfo, 'imageSize'>) {
  return { width: imageSize, height: imageSize, fit: 'stretch', maximumPixels: 100_000_000 } as const;
}

/**
 * Judges posts, so many at once as the judge does best, in the order in which they come. What cannot be read or judged
 * comes with its reason, and costs the others nothing.
 * @param options `withFile`: whether a row says which file it is from; `ahead`: how many at once at most, 1 where somebody
 *   may wait for each post's judgment before the next post is sent
 */
export async function* judgeRows(
  results: AsyncIterable<UnlabeledResult & { readonly file?: string }>,
  judge: TableJudge,
  seen: SeenPosts | null,
  { withFile = false, ahead = Infinity }: { readonly withFile?: boolean; readonly ahead?: number } = {},
): AsyncGenerator<JudgedRow> {
  yield* mapAhead(results, Math.min(ahead, judge.info.preferredBatch ?? 1), async (result) => {
    const { file, row, id } = result;
    const place = withFile ? { file, row } : { row };
    if ('error' in result) {
      const { reason, message: detail } = result.error;
      return { ...place, id, reason, detail };
    }
    const { line, own, post, hash } = result;
    try {
      const judgment = await judge.judge(post);
      return { ...place, line, id, seen: seen?.get(hash) ?? null, input: inputValues(own), ...judgment };
    } catch (error) {
      if (!(error instanceof DataError)) throw error; // of this post alone: the next may well be judged
      return { ...place, id, reason: 'not judged', detail: error.message };
    }
  });
}
