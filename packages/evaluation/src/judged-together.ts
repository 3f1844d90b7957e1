import { basename } from 'node:path';
import { readCalibration, type OpenedRun } from '@drf/experiment';
import { applyTemperature, classificationReport, type ClassificationReport } from '@drf/metrics';
import { hostTensor } from '@drf/tensor';
import { formatTable } from '@drf/terminal';
import type { EvaluatedCell, Evaluation } from './evaluate.js';
import { share } from './table.js';

/** What a member of an ensemble answered. */
export interface MemberAnswers {
  readonly postsHash: string;
  readonly split: string;
  readonly classes: readonly string[];
  readonly run: Pick<OpenedRun, 'folder' | 'checkpoint'>;
  readonly cells: readonly Pick<EvaluatedCell, 'result' | 'ids' | 'labels' | 'probabilities'>[];
}

/** The scores of an ensemble by itself. */
export interface EnsembleResult {
  readonly members: number;
  readonly split: string;
  readonly posts: number;
  readonly cells: readonly { readonly cell: string; readonly report: ClassificationReport }[];
}

/** What {@link judgedTogether} needs of an evaluation, without what else that holds. */
export function answersOf({ result, cells, run }: Evaluation): MemberAnswers {
  const { postsHash, split, classes } = result.evaluation;
  const { folder, checkpoint } = run;
  return {
    ...{ postsHash, split, classes, run: { folder, checkpoint } },
    cells: cells.map(({ result: own, ids, labels, probabilities }) => ({ result: own, ids, labels, probabilities })),
  };
}

/**
 * The members of an ensemble, taken together as a judge takes them: the mean of their calibrated probabilities
 * (Lakshminarayanan, Pritzel and Blundell, NeurIPS 2017), each member counting the same.
 * @returns null where they were not asked the same posts, as folds on their own test splits are not
 * @throws DataError for a damaged calibration
 */
export async function judgedTogether(members: readonly MemberAnswers[]): Promise<EnsembleResult | null> {
  const [first] = members;
  const isSame = members.every((own) => own.postsHash === first?.postsHash && own.classes.join() === first.classes.join()); // prettier-ignore
  if (first === undefined || members.length < 2 || !isSame) return null;
  const temperatures = await Promise.all(
    members.map(async ({ run }) => (await readCalibration(run.folder, basename(run.checkpoint)))?.temperature?.temperature ?? 1), // prettier-ignore
  );
  const { classes, split } = first;
  const cells = first.cells.flatMap(({ result: { cell }, ids, labels }) => {
    const answers = members.map((own) => own.cells.find(({ result }) => result.cell === cell));
    // a post that one of them could not read, or a cell that one of them was not asked before it was stopped
    if (answers.some((own) => own?.ids.join() !== ids.join())) return [];
    const mean = new Float32Array(ids.length * classes.length);
    for (const [member, own] of answers.entries()) {
      for (let at = 0; at < mean.length; at += classes.length) {
        const row = own?.probabilities.subarray(at, at + classes.length) ?? [];
        applyTemperature(row, temperatures[member] as number).forEach((value, i) => {
          mean[at + i] = (mean[at + i] as number) + value / members.length;
        });
      }
    }
    return [{ cell, report: classificationReport(labels, hostTensor(mean, [ids.length, classes.length]), classes) }];
  });
  return { members: members.length, split, posts: cells[0]?.report.count ?? 0, cells };
}

/** For people. */
export function ensembleText({ members, split, posts, cells }: EnsembleResult): string {
  const rows = cells.map(({ cell, report }) => [
    cell,
    share(report.accuracy),
    share(report.weightedF1),
    share(report.macroF1),
  ]);
  return `The ensemble itself, its ${members} members together, on ${posts} posts of split ${split}:\n${formatTable(['cell', 'accuracy', 'weighted F1', 'macro F1'], rows)}\n`;
}
