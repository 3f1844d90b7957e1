import type { LedgerReport } from '@drf/datasets';
import { answerSentences, answersOf, answerWarnings, cellWords, changeSentences, lossSentences, type Change } from '@drf/experiment'; // prettier-ignore
import { argMax } from '@drf/metrics';
import { formatCell } from './cells.js';
import type { JudgedCell } from './report/shown-posts.js';
import type { EvaluationResult } from './result.js';

/** What a report begins with. */
export interface Opening {
  /** Paragraphs of sentences. */
  readonly paragraphs: readonly (readonly string[])[];
  readonly warnings: readonly string[];
}

/**
 * What an evaluation shows, in words.
 * @param cells the clean one first @param ledger what became of the data set's rows
 */
export function openingOf(result: EvaluationResult, cells: readonly JudgedCell[], ledger: LedgerReport | null): Opening {
  const { evaluation, unreadable, missingCells, notes } = result;
  const clean = result.cells.find(({ kind }) => kind === 'none')?.report;
  const answers = answersOf(evaluation.split, clean ?? NOTHING_JUDGED);
  const total = clean?.count ?? 0;
  const leftOut = unreadable.length === 1 ? '1 post' : `${unreadable.length} posts`;
  const changes = changesOf(cells);
  return {
    paragraphs: [
      answerSentences(answers),
      // of corruptions with severities, missing rates and disruptions of the user's own the tables speak
      result.cells.length > 1 && changes.length === 0 ? [] : changeSentences(changes, total),
      ledger === null ? [] : lossSentences(ledger),
    ],
    warnings: [
      ...answerWarnings(answers),
      ...notes,
      ...(unreadable.length === 0 ? [] : [`${leftOut} of split ${evaluation.split} could not be read and ${unreadable.length === 1 ? 'is' : 'are'} in no score.`]),
      ...(missingCells.length === 0 ? [] : [`This was interrupted: ${missingCells.map(cellWords).join('; ')} ${missingCells.length === 1 ? 'was' : 'were'} not evaluated.`]),
    ],
  };
} // prettier-ignore

const NOTHING_JUDGED = { perClass: [], calibration: null, count: 0 };

/**
 * What the disruptions of every post change: each modality corrupted, and missing; where these were not evaluated, either
 * of the two by chance; else the largest share of posts with a disrupted modality.
 */
export function changesOf(cells: readonly JudgedCell[]): Change[] {
  const [clean] = cells;
  if (clean === undefined) return [];
  const fixed = cells.filter(({ testedOn }) => testedOn.kind === 'modality-fixed');
  const plain = fixed.filter(({ testedOn }) => testedOn.kind === 'modality-fixed' && testedOn.setting !== 'C+D');
  const ratios = cells.flatMap(({ testedOn }) => (testedOn.kind === 'modality-random' ? [testedOn.ratio] : []));
  const most = cells.filter(({ testedOn }) => testedOn.kind === 'modality-random' && testedOn.ratio === Math.max(...ratios)); // prettier-ignore
  const [shown = []] = [plain, fixed, most].filter(({ length }) => length > 0);
  const rightIn = rightAnswers(clean);
  return shown.map((cell): Change => {
    const change = { what: cellWords(formatCell({ testedOn: cell.testedOn })), lost: 0, gained: 0 };
    for (const [id, isRight] of rightAnswers(cell)) {
      const wasRight = rightIn.get(id);
      if (wasRight === true && !isRight) change.lost++;
      if (wasRight === false && isRight) change.gained++;
    }
    return change;
  });
}

function rightAnswers({ ids, labels, probabilities }: JudgedCell): Map<string, boolean> {
  const classes = probabilities.length / labels.length;
  return new Map(
    ids.map((id, post) => [id, argMax(probabilities.subarray(post * classes, (post + 1) * classes)) === labels[post]]),
  );
}
