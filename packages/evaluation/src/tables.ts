import type { ClassificationReport, Interval } from '@drf/metrics';
import { percent } from '@drf/terminal';
import type { PaperDrop } from './paper.js';
import type { CellResult, EvaluationResult } from './result.js';

/** A table, whatever it is drawn on. */
export interface TableData {
  readonly caption: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export const NOTHING = '–';
export const share = (value: number | null | undefined): string =>
  value === null || value === undefined ? NOTHING : percent(value);
export const points = (value: number | null | undefined): string =>
  value === null || value === undefined ? NOTHING : (100 * value).toFixed(2);
export const range = ({ low, high }: Pick<Interval, 'low' | 'high'>): string => `${percent(low)}–${percent(high)}`;

/** What the columns of {@link cellTable} mean where that is not plain. */
export const SCORES_LINES = [
  'The interval is Wilson’s for the accuracy of so many posts. Macro F1 is the mean over the classes that have posts here.',
  'ECE, how far confidence and accuracy lie apart, is of the model’s own probabilities, before any temperature.',
];

/** Accuracy with its interval, F1s, calibration, and the paper's figures where any cell has them. */
export function cellTable(caption: string, cells: readonly CellResult[]): TableData {
  const hasPaper = cells.some(({ paper }) => paper !== null);
  const paperHead = hasPaper ? ['paper accuracy', 'paper weighted F1'] : [];
  return {
    caption,
    head: ['cell', 'posts', 'accuracy', '95 % interval', 'weighted F1', 'macro F1', 'ECE', ...paperHead],
    rows: cells.map(({ cell, report, paper }) => [
      cell,
      String(report.count),
      percent(report.accuracy),
      range(report.accuracyInterval),
      percent(report.weightedF1),
      percent(report.macroF1),
      share(report.calibration?.expectedCalibrationError),
      ...(hasPaper ? [share(paper?.accuracy), share(paper?.weightedF1)] : []),
    ]),
  };
}

/** Modality-random cells: a row a ratio, two columns a setting; the first row is the clean cell. */
export function randomTable({ curves }: EvaluationResult): TableData {
  const ratios = [...new Set(curves.flatMap(({ points: all }) => all.map(({ ratio }) => ratio)))].sort((a, b) => a - b);
  return {
    caption: 'Modality-random: a random one of the two modalities disrupted in a ratio dr of the posts',
    head: ['dr', ...curves.flatMap(({ setting }) => [`${setting} accuracy`, `${setting} weighted F1`])],
    rows: ratios.map((ratio) => [
      String(ratio),
      ...curves.flatMap(({ points: all }) => {
        const point = all.find((candidate) => candidate.ratio === ratio);
        return [share(point?.accuracy), share(point?.weightedF1)];
      }),
    ]),
  };
}

/** Heads of {@link dropCells}. */
export const PAPER_DROP_HEAD = ['paper: DRF lost', 'paper: others lost'] as const;

/** Area under each curve and what full disruption costs, beside the paper's losses. */
export function robustnessTable({ curves }: EvaluationResult): TableData {
  const hasPaper = curves.some(({ paperDrop }) => paperDrop !== null);
  return {
    caption:
      'Robustness: area under accuracy against dr (a mean accuracy), and points of accuracy lost from dr = 0.2 to 1',
    head: ['setting', 'area', 'lost', ...(hasPaper ? PAPER_DROP_HEAD : [])],
    rows: curves.map(({ setting, area, drop, paperDrop }) => [
      setting,
      percent(area),
      points(drop),
      ...(hasPaper ? dropCells(paperDrop) : []),
    ]),
  };
}

/** The paper's losses: DRF's, and the others'. */
export function dropCells(drop: PaperDrop | null): string[] {
  return drop === null ? [NOTHING, NOTHING] : [points(drop.drf), drop.others.map(points).join('–')];
}

/** Classes that a table lists one by one; of more, it names the worst, and results.json holds all. */
export const LISTED_CLASSES = 20;

/** Scores by class; of many classes, those found worst that have posts. */
export function classTable({ cell, report }: Pick<CellResult, 'cell' | 'report'>): TableData {
  const isMany = report.perClass.length > LISTED_CLASSES;
  const present = report.perClass.filter(({ support }) => support > 0);
  const worst = isMany ? present.toSorted((a, b) => a.f1 - b.f1 || b.support - a.support) : report.perClass;
  const which = `, the ${Math.min(LISTED_CLASSES, worst.length)} worst of ${present.length} with posts by F1 (results.json has all)`;
  return {
    caption: `Classes, cell ${cell}${isMany ? which : ''}`,
    head: ['class', 'precision', 'recall', 'F1', 'posts', 'answered'],
    rows: (isMany ? worst.slice(0, LISTED_CLASSES) : worst).map(
      ({ name, precision, recall, f1, support, predicted }) => [
        name,
        percent(precision),
        percent(recall),
        percent(f1),
        String(support),
        String(predicted),
      ],
    ),
  };
}

/** The confusion matrix; of many classes, what is taken for what most often. */
export function confusionTable({ cell, report }: { cell: string; report: ClassificationReport }): TableData {
  if (report.classes.length > LISTED_CLASSES) return mistakeTable(cell, report);
  return {
    caption: `Confusion matrix, cell ${cell}: posts of each class (rows) by answer (columns)`,
    head: ['class', ...report.classes.map((name) => `→ ${name}`)],
    rows: report.confusion.map((row, index) => [report.classes[index] as string, ...row.map(String)]),
  };
}

function mistakeTable(cell: string, { classes, confusion, perClass }: ClassificationReport): TableData {
  const mistakes = confusion.flatMap((row, truth) =>
    row.flatMap((posts, answer) => (posts === 0 || truth === answer ? [] : [{ truth, answer, posts }])),
  );
  const ofClass = ({ truth, posts }: (typeof mistakes)[number]): number => posts / (perClass[truth]?.support ?? 1);
  const shown = mistakes.toSorted((a, b) => b.posts - a.posts || ofClass(b) - ofClass(a)).slice(0, LISTED_CLASSES);
  return {
    caption: `Confusion, cell ${cell}: the ${shown.length} most frequent of ${mistakes.length} kinds of mistakes (results.json has all)`,
    head: ['class', 'taken for', 'posts', '% of the class'],
    rows: shown.map((mistake) => [
      classes[mistake.truth] as string,
      classes[mistake.answer] as string,
      String(mistake.posts),
      percent(ofClass(mistake)),
    ]),
  };
}

/** Cells in which quality has something to find. */
export function qualityTable({ cells }: EvaluationResult): TableData {
  const found = cells.filter(({ quality }) => quality !== null && (quality.image !== null || quality.text !== null));
  const area = (value: number | null | undefined): string => value?.toFixed(3) ?? NOTHING;
  return {
    caption: 'How well low quality finds the corrupted modality: AUROC against the manifest (0.5 is chance)',
    head: ['cell', 'image', 'text'],
    rows: found.map(({ cell, quality }) => [cell, area(quality?.image), area(quality?.text)]),
  };
}

/** Cells other than modality-random ones, which have their own table. */
export function fixedCells({ cells }: EvaluationResult): CellResult[] {
  return cells.filter(({ kind }) => kind !== 'modality-random');
}
