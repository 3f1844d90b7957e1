import { MODALITIES, type Modality } from '@drf/tensor';
import { reconstructionNote } from './paper.js';
import type { CellResult, EvaluationResult } from './result.js';
import {
  cellTable,
  classTable,
  confusionTable,
  fixedCells,
  LISTED_CLASSES,
  qualityTable,
  randomTable,
  robustnessTable,
  SCORES_LINES,
  share,
  type TableData,
} from './tables.js';

/** Lines of text and tables under a heading, for terminal and page alike. */
export interface Section {
  readonly heading: string;
  readonly lines?: readonly string[];
  readonly tables: readonly TableData[];
}

/**
 * What stands beside the paper's figures, and how far ours are from its setting.
 * @param trained which encoders each run fine-tuned
 */
export function paperLine(trained: readonly (readonly Modality[])[]): string {
  const kinds = new Set(trained.map((modalities) => MODALITIES.filter((one) => modalities.includes(one)).join()));
  const ours =
    kinds.size > 1 ? 'here encoders are frozen in some runs and fine-tuned in others' : OURS[[...kinds][0] ?? ''];
  return `Paper: Wu et al. (ACM MM 2024), on its own test split, with ViT-B/16 and BERT-base fine-tuned; ${ours}.`;
}

const OURS: Readonly<Record<string, string>> = {
  '': 'here encoders are frozen',
  image: 'here the image encoder is fine-tuned and the text encoder frozen',
  text: 'here the text encoder is fine-tuned and the image encoder frozen',
  'image,text': 'here both encoders are fine-tuned, too',
};

const DROP_LINE =
  'The paper trains and tests at the same dr for each point; here one trained model meets every dr. It gives C+D only.';

/** What was evaluated, line by line. */
export function headerLines({ run, evaluation, notes, unreadable, missingCells }: EvaluationResult): string[] {
  const without = run.ablations.length === 0 ? '' : ` (${run.ablations.join(', ')})`;
  const departing = run.departures.length === 0 ? '' : `, not to the letter (${run.departures.join(', ')})`;
  const training = run.trainingDisruption === 'none' ? 'intact posts' : `disruption ${run.trainingDisruption}`;
  return [
    `Run:        ${run.path}, checkpoint ${run.checkpoint} (step ${run.step}, epoch ${run.epoch})`,
    `Method:     ${run.method}${departing}${without}, seed ${run.seed}, trained on ${training}`,
    `Data:       ${evaluation.dataset}, split ${evaluation.split}, ${evaluation.posts} posts, ${classNames(evaluation.classes)}`,
    `Disrupted:  ${evaluation.manifest === null ? `seed ${evaluation.seed}` : `manifest ${evaluation.manifest} (seed ${evaluation.seed})`}`,
    `Engine:     ${evaluation.engine}; encoders ${evaluation.encoders.image}, ${evaluation.encoders.text}`,
    ...[reconstructionNote([run.method])].flatMap((note) => (note === null ? [] : [`Note:       ${note}`])),
    ...notes.map((note) => `Note:       ${note}`),
    ...unreadableLines(unreadable),
    ...(missingCells.length === 0 ? [] : [`Interrupted: cells left out: ${missingCells.join(', ')}`]),
  ];
}

/** Names of the classes, of many only some. */
function classNames(classes: readonly string[]): string {
  if (classes.length <= LISTED_CLASSES) return `classes ${classes.join(', ')}`;
  return `${classes.length} classes (${classes.slice(0, SHOWN_CLASSES).join(', ')}, …)`;
}

const SHOWN_CLASSES = 5;
const SHOWN_POSTS = 5;

function unreadableLines(unreadable: EvaluationResult['unreadable']): string[] {
  if (unreadable.length === 0) return [];
  const shown = unreadable.slice(0, SHOWN_POSTS).map(({ message }) => `            ${message}`);
  const more = unreadable.length > SHOWN_POSTS ? [`            … and ${unreadable.length - SHOWN_POSTS} more`] : [];
  return [`Left out:   ${unreadable.length} posts that could not be read`, ...shown, ...more];
}

/**
 * The whole of a result.
 * @param details class tables and confusion matrices of every cell, not of the clean one alone
 */
export function resultSections(result: EvaluationResult, details: boolean): Section[] {
  const scored = scoreSection(result);
  return [
    scored,
    ...(result.curves.length === 0 ? [] : [randomSection(result)]),
    ...qualitySection(result),
    ...classSections(result, details),
  ];
}

function scoreSection(result: EvaluationResult): Section {
  const cells = fixedCells(result);
  const clean = cells[0];
  const majority = `Always answering the most frequent class: accuracy ${share(clean?.report.majorityAccuracy)}.`;
  const hasPaper = cells.some(({ paper }) => paper !== null);
  return {
    heading: 'Scores',
    lines: [
      majority,
      ...emptyClasses(clean),
      ...SCORES_LINES,
      ...(hasPaper ? [paperLine([result.run.trainedEncoders])] : []),
    ],
    tables: [cellTable('Intact posts, and one modality of every post disrupted (percent)', cells)],
  };
}

/** Classes that a sentence names. */
const NAMED_CLASSES = 5;

/** Classes that the split says nothing of. */
function emptyClasses(clean: CellResult | undefined): string[] {
  const empty = (clean?.report.perClass ?? []).filter(({ support }) => support === 0).map(({ name }) => name);
  if (empty.length === 0) return [];
  const more = empty.length > NAMED_CLASSES ? ` and ${empty.length - NAMED_CLASSES} more` : '';
  return [`No posts here of: ${empty.slice(0, NAMED_CLASSES).join(', ')}${more}; no score counts them.`];
}

function randomSection(result: EvaluationResult): Section {
  const hasPaper = result.curves.some(({ paperDrop }) => paperDrop !== null);
  return {
    heading: 'Robustness',
    lines: hasPaper ? [DROP_LINE] : [],
    tables: [randomTable(result), robustnessTable(result)],
  };
}

function qualitySection(result: EvaluationResult): Section[] {
  const table = qualityTable(result);
  return table.rows.length === 0 ? [] : [{ heading: 'Quality', tables: [table] }];
}

function classSections({ cells }: EvaluationResult, details: boolean): Section[] {
  const shown = details ? cells : cells.slice(0, 1);
  return [{ heading: 'Classes', tables: shown.flatMap((cell) => [classTable(cell), confusionTable(cell)]) }];
}
