import type { SeenPosts, UnlabeledResult } from '@drf/datasets';
import type { Judge, JudgeInfo } from '@drf/judge';
import { DataError } from '@drf/tensor';
import { inputValues, type JudgedRow } from './prediction-row.js';

/** A judge, as far as tables of posts need one. */
export interface TableJudge extends Pick<Judge, 'judge'> {
  readonly info: Pick<JudgeInfo, 'classes' | 'imageSize' | 'engine' | 'sources'>;
}

/** How images are decoded for a judge. */
export function decodingOf({ imageSize }: Pick<JudgeInfo, 'imageSize'>) {
  return { width: imageSize, height: imageSize, fit: 'stretch', maximumPixels: 100_000_000 } as const;
}

/**
 * Judges posts one after the other. What cannot be read or judged comes with its reason, and costs the others nothing.
 * @param options `withFile`: whether a row says which file it is from
 */
export async function* judgeRows(
  results: AsyncIterable<UnlabeledResult & { readonly file?: string }>,
  judge: TableJudge,
  seen: SeenPosts | null,
  { withFile = false }: { readonly withFile?: boolean } = {},
): AsyncGenerator<JudgedRow> {
  for await (const result of results) {
    const { file, row, id } = result;
    const place = withFile ? { file, row } : { row };
    if ('error' in result) {
      const { reason, message: detail } = result.error;
      yield { ...place, id, reason, detail };
      continue;
    }
    const { line, own, post, hash } = result;
    try {
      const judgment = await judge.judge(post);
      yield { ...place, line, id, seen: seen?.get(hash) ?? null, input: inputValues(own), ...judgment };
    } catch (error) {
      if (!(error instanceof DataError)) throw error; // of this post alone: the next may well be judged
      yield { ...place, id, reason: 'not judged', detail: error.message };
    }
  }
}
