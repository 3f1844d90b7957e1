import { stat } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { writeManifest } from '@drf/disruption/manifest';
import {
  cellWords,
  figure,
  folded,
  htmlTable,
  legend,
  lineChart,
  linkEvaluations,
  linkTo,
  paragraph,
  reportLinks,
  reportPage,
  termsIn,
  type Chart,
  type ReportLink,
  type ReportSection,
  writeModelCard,
  type TableData,
} from '@drf/experiment';
import { writeFileAtomic, writeJsonAtomic } from '@drf/files';
import { EXPLANATION_LEGEND } from '@drf/judge';
import { argMax, type ClassificationReport } from '@drf/metrics';
import { MODALITIES } from '@drf/tensor';
import { escapeHtml, formatCsv, percent, type CsvOptions } from '@drf/terminal';
import type { EvaluatedCell, Evaluation } from './evaluate.js';
import { openingOf, type Opening } from './opening.js';
import { paperLine, reconstructionNote } from './paper.js';
import { postCard, POSTS_STYLE } from './report/post-card.js';
import { showingNote, SHOWINGS, type ShownPost } from './report/shown-posts.js';
import type { CellResult, EvaluationResult } from './result.js';
import { dropCells, PAPER_DROP_HEAD } from './statistics/tables.js';
import { NOTHING, points, share, textTable } from './table.js';

/**
 * Where a result goes below its run: `eval/<split>`, with the data set's name where it is another than the trained one,
 * the manifest's where one was given, and `.partial` while cells are missing, so that no whole result is overwritten.
 */
export function evaluationFolder(result: EvaluationResult): string {
  const { run, evaluation, missingCells } = result;
  const parts = [
    ...(evaluation.dataset === run.dataset ? [] : [evaluation.dataset]),
    evaluation.split,
    ...(evaluation.manifest === null ? [] : ['manifest']),
  ];
  const name = parts.join('-').replaceAll(/[^\w.+-]/g, '_');
  const safe = /^\.*$/.test(name) ? `_${name}` : name; // an own split may be called ".."
  return join('eval', missingCells.length === 0 ? safe : `${safe}.partial`);
}

/**
 * Writes `results.json`, `results.csv`, `report.html`, `predictions.jsonl` and `manifests/`, each whole or not at all; in
 * the run's own folder also the run's model card anew.
 * @returns the files, the results last, so that results always stand for a whole folder
 * @throws DataError when the folder cannot be written
 */
export async function writeEvaluation(evaluation: Evaluation, folder: string, csv?: CsvOptions): Promise<string[]> {
  const { result, cells, ledger, shown, run } = evaluation;
  const opening = openingOf(result, cells, ledger);
  const links = await linksFrom(evaluation, folder);
  const written: string[] = [];
  for (const cell of cells) {
    if (cell.result.manifest === null) continue;
    await writeCellManifest(evaluation, cell, join(folder, cell.result.manifest));
    written.push(join(folder, cell.result.manifest));
  }
  const files: [string, string | Uint8Array][] = [
    ['predictions.jsonl', Buffer.concat(cells.map((cell) => predictionLines(cell, result.evaluation.classes)))],
    ['results.csv', csvReport([result], csv)],
    ['report.html', htmlReport(result, { opening, shown, links })],
  ];
  for (const [name, content] of files) {
    await writeFileAtomic(join(folder, name), content);
    written.push(join(folder, name));
  }
  await writeJsonAtomic(join(folder, 'results.json'), result);
  if (resolve(folder) === resolve(run.folder.file(evaluationFolder(result)))) await writeModelCard(run.folder);
  await linkEvaluations(run.folder).catch(() => undefined); // a run may lie where nothing can be written
  return [...written, join(folder, 'results.json')];
}

/** The run's report, as the way leads from a folder; nothing where there is none. */
async function linksFrom({ run }: Evaluation, folder: string): Promise<ReportLink[]> {
  const path = run.folder.file('report.html');
  const isThere = await stat(path).then((stats) => stats.isFile(), () => false); // prettier-ignore
  return isThere ? [{ words: 'How it was trained', href: linkTo(relative(resolve(folder), path)) }] : [];
}

async function writeCellManifest({ result, run, mask }: Evaluation, cell: EvaluatedCell, path: string): Promise<void> {
  const size = run.description.config.dataset.imageSize;
  const { dataset, split, seed } = result.evaluation;
  const { testedOn: strategy } = cell;
  await writeManifest(
    path,
    { seed, strategy, source: `${dataset}, split ${split}`, imageSize: { width: size, height: size }, mask },
    cell.entries,
  );
}

/** One line a post: cell, id, truth, answer, and the probability of each class. */
function predictionLines({ result, ids, labels, probabilities }: EvaluatedCell, classes: readonly string[]): Buffer {
  const lines = ids.map((id, post) => {
    const row = probabilities.subarray(post * classes.length, (post + 1) * classes.length);
    return JSON.stringify({
      cell: result.cell,
      id,
      truth: classes[labels[post] as number],
      predicted: classes[argMax(row)],
      probabilities: Object.fromEntries(
        classes.map((name, index) => [name, Number((row[index] as number).toFixed(6))]),
      ),
    });
  });
  return Buffer.from(lines.map((line) => `${line}\n`).join(''), 'utf8');
}

/**
 * A result for people, as plain text.
 * @param details tables of classes for every cell @param opening what the result shows, in words; default: nothing
 */
export function textReport(result: EvaluationResult, details = false, opening?: Opening): string {
  const { paragraphs = [], warnings = [] } = opening ?? {};
  const said = [...paragraphs.filter(({ length }) => length > 0).map((own) => own.join(' ')), ...warnings.map((own) => `Warning: ${own}`)]; // prettier-ignore
  const drawn = resultSections(result).map(({ lines = [], tables, more = [] }) =>
    ['', [...[...tables, ...(details ? more : [])].map(textTable), ...lines].join('\n\n')].join('\n'),
  );
  return [...said.map((text) => `${wrapped(text)}\n`), ...headerLines(result), ...drawn].join('\n');
}

/** Breaks a text into lines that a terminal shows whole. */
function wrapped(text: string, width = 100): string {
  return text.replaceAll(new RegExp(`(.{1,${width}})(?: |$)`, 'g'), '$1\n').trimEnd();
}

/** What a page shows beyond the figures. */
export interface PageContents {
  readonly opening: Opening;
  readonly shown: readonly ShownPost[];
  readonly links: readonly ReportLink[];
}

/** A result as a page in one file: what it shows in words, wrongly judged posts, tables, curves, confusion matrices. */
export function htmlReport(result: EvaluationResult, contents: Partial<PageContents> = {}): string {
  const { run, evaluation } = result;
  const { opening = openingOf(result, [], null), shown = [], links = [] } = contents;
  const sections = resultSections(result).map((section) => ({ ...section, body: sectionBody(section) }));
  const scores = sections.filter(({ id }) => id === 'scores' || id === 'robustness');
  const others = sections.filter((section) => !scores.includes(section));
  const about = `<pre class="wrap">${escapeHtml(headerLines(result).join('\n'))}</pre>`;
  return reportPage(
    {
      title: `Evaluation of ${run.name} on ${evaluation.dataset}, ${evaluation.split}`,
      opening: opening.paragraphs,
      warnings: opening.warnings,
      links: reportLinks(links),
      sections: [
        ...scores,
        ...shownSection(shown),
        ...others,
        { id: 'about', heading: 'What was evaluated', body: about },
      ],
    },
    { style: POSTS_STYLE },
  );
}

function sectionBody({ lines = [], tables, more = [], charts = [], words }: Section): string {
  const texts = [...tables, ...more].flatMap(({ caption, head, rows }) => [caption, ...head, ...rows.map(([first = '']) => first)]); // prettier-ignore
  const further = more.map((table) => htmlTable(table, { words })).join('\n');
  return [
    legend(termsIn([...texts, ...lines])),
    ...charts.map(figure),
    ...tables.map((table) => htmlTable(table, { words })),
    ...(further === '' ? [] : [folded('The same of every other disruption', further)]),
    ...lines.map(paragraph),
  ].join('\n');
}

function shownSection(shown: readonly ShownPost[]): ReportSection[] {
  if (shown.length === 0) return [];
  const groups = (['sure', 'confused', 'broken'] as const).flatMap((showing) => {
    const own = shown.filter((post) => post.showing === showing);
    if (own.length === 0) return [];
    const cards = own.map((post) => postCard(post, showingNote(post)));
    return [`<h3>${SHOWINGS[showing]}</h3>`, `<div class="posts">${cards.join('\n')}</div>`];
  });
  const line =
    'Images and texts are as the model met them. Probabilities are its own; quality says how usual the image or text is among posts like those of training.';
  const explained = shown.some(({ explanation }) => explanation !== undefined) ? [paragraph(EXPLAINED_LINE), EXPLANATION_LEGEND] : []; // prettier-ignore
  return [{ id: 'mistakes', heading: 'Mistakes', body: [paragraph(line), ...explained, ...groups].join('\n') }];
}

const EXPLAINED_LINE =
  'Of the intact posts that are wrong with the most confidence, some are explained: each word and each part of the image was left out by itself, the rest judged again, and marked by how much that changed the probability of the wrong answer. What is said twice, in several words or in text and image, seems to matter less than it does.';

function curveChart({ curves }: EvaluationResult): Chart {
  return lineChart(
    'robustness',
    'Accuracy against the share of posts of which one modality is disrupted',
    curves.map(({ setting, points: own }) => ({
      name: cellWords(setting),
      points: own.map(({ ratio, accuracy }) => ({ x: 100 * ratio, y: 100 * accuracy })),
    })),
    { xName: 'disrupted posts (percent)', yName: 'accuracy (percent)' },
  );
}

/** Lines of text and tables under a heading, for terminal and page alike. */
interface Section {
  readonly id: string;
  readonly heading: string;
  readonly lines?: readonly string[];
  readonly tables: readonly TableData[];
  /** The same of cells other than the clean one, which not every reader wants. */
  readonly more?: readonly TableData[];
  /** For the page alone. */
  readonly charts?: readonly Chart[];
  /** Words for the headings of rows, on the page. */
  readonly words?: (heading: string) => string;
}

const DROP_LINE =
  'The paper trains and tests at the same dr for each point; here one trained model meets every dr. It gives C+D only.';

/** What was evaluated, line by line. */
function headerLines({ run, evaluation, notes, unreadable, missingCells }: EvaluationResult): string[] {
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
const SHOWN_FAILURES = 5;

function unreadableLines(unreadable: EvaluationResult['unreadable']): string[] {
  if (unreadable.length === 0) return [];
  const shown = unreadable.slice(0, SHOWN_FAILURES).map(({ message }) => `            ${message}`);
  const more =
    unreadable.length > SHOWN_FAILURES ? [`            … and ${unreadable.length - SHOWN_FAILURES} more`] : [];
  return [`Left out:   ${unreadable.length} posts that could not be read`, ...shown, ...more];
}

/** The whole of a result. */
function resultSections(result: EvaluationResult): Section[] {
  return [
    scoreSection(result),
    ...(result.curves.length === 0 ? [] : [randomSection(result)]),
    ...classSections(result),
    ...qualitySection(result),
  ];
}

function scoreSection(result: EvaluationResult): Section {
  const cells = fixedCells(result);
  const clean = cells[0];
  const majority = `Always answering the most frequent class: accuracy ${share(clean?.report.majorityAccuracy)}.`;
  const hasPaper = cells.some(({ paper }) => paper !== null);
  return {
    id: 'scores',
    heading: 'Scores',
    words: cellWords,
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
    id: 'robustness',
    heading: 'Robustness',
    words: (text) =>
      /^[\d.]+$/.test(text) ? `${Number((100 * Number(text)).toFixed(1))} % of posts` : cellWords(text),
    lines: hasPaper ? [DROP_LINE] : [],
    tables: [randomTable(result), robustnessTable(result)],
    charts: [curveChart(result)],
  };
}

function qualitySection(result: EvaluationResult): Section[] {
  const table = qualityTable(result);
  return table.rows.length === 0 ? [] : [{ id: 'quality', heading: 'Quality', tables: [table], words: cellWords }];
}

function classSections({ cells }: EvaluationResult): Section[] {
  const [tables = [], ...more] = cells.map((cell) => [classTable(cell), confusionTable(cell)]);
  return [{ id: 'classes', heading: 'Classes', tables, more: more.flat() }];
}

/** What the columns of {@link cellTable} mean where that is not plain. */
const SCORES_LINES = [
  'The interval is Wilson’s for the accuracy of so many posts. Macro F1 is the mean over the classes that have posts here.',
  'ECE, how far confidence and accuracy lie apart, is of the model’s own probabilities, before any temperature.',
];

/** Accuracy with its interval, F1s, calibration, and the paper's figures where any cell has them. */
function cellTable(caption: string, cells: readonly CellResult[]): TableData {
  const hasPaper = cells.some(({ paper }) => paper !== null);
  const paperHead = hasPaper ? ['paper accuracy', 'paper weighted F1'] : [];
  return {
    caption,
    head: [
      'cell',
      'posts',
      'accuracy',
      '95 % interval',
      'weighted F1',
      'macro F1',
      'calibration error (ECE)',
      ...paperHead,
    ],
    rows: cells.map(({ cell, report, paper }) => [
      cell,
      String(report.count),
      percent(report.accuracy),
      `${percent(report.accuracyInterval.low)}–${percent(report.accuracyInterval.high)}`,
      percent(report.weightedF1),
      percent(report.macroF1),
      share(report.calibration?.expectedCalibrationError),
      ...(hasPaper ? [share(paper?.accuracy), share(paper?.weightedF1)] : []),
    ]),
  };
}

/** Modality-random cells: a row a ratio, two columns a setting; the first row is the clean cell. */
function randomTable({ curves }: EvaluationResult): TableData {
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

/** Area under each curve and what full disruption costs, beside the paper's losses. */
function robustnessTable({ curves }: EvaluationResult): TableData {
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

/** A cell in words, with the code that programs know it by. */
function cellName(cell: string): string {
  const words = cellWords(cell);
  return words === cell || cell === 'clean' ? words : `${words} (${cell})`;
}

/** Classes that a table lists one by one; of more, it names the worst, and results.json holds all. */
const LISTED_CLASSES = 20;

/** Scores by class; of many classes, those found worst that have posts. */
function classTable({ cell, report }: Pick<CellResult, 'cell' | 'report'>): TableData {
  const isMany = report.perClass.length > LISTED_CLASSES;
  const present = report.perClass.filter(({ support }) => support > 0);
  const worst = isMany ? present.toSorted((a, b) => a.f1 - b.f1 || b.support - a.support) : report.perClass;
  const which = `, the ${Math.min(LISTED_CLASSES, worst.length)} worst of ${present.length} with posts by F1 (results.json has all)`;
  return {
    caption: `Classes, ${cellName(cell)}${isMany ? which : ''}`,
    head: ['class', 'precision', 'recall', 'F1', 'posts', 'answered'],
    rows: (isMany ? worst.slice(0, LISTED_CLASSES) : worst).map(
      ({ name, precision, recall, f1, support, predicted }) => [
        support === 0 ? `${name} (no posts here)` : name,
        percent(precision),
        support === 0 ? NOTHING : percent(recall),
        support === 0 ? NOTHING : percent(f1),
        String(support),
        String(predicted),
      ],
    ),
  };
}

/** The confusion matrix; of many classes, what is taken for what most often. */
function confusionTable({ cell, report }: { cell: string; report: ClassificationReport }): TableData {
  if (report.classes.length > LISTED_CLASSES) return mistakeTable(cell, report);
  return {
    caption: `Confusion matrix, ${cellName(cell)}: posts of each class (rows) by answer (columns)`,
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
    caption: `Confusion, ${cellName(cell)}: the ${shown.length} most frequent of ${mistakes.length} kinds of mistakes (results.json has all)`,
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
function qualityTable({ cells }: EvaluationResult): TableData {
  const found = cells.filter(({ quality }) => quality !== null && (quality.image !== null || quality.text !== null));
  const area = (value: number | null | undefined): string => value?.toFixed(3) ?? NOTHING;
  return {
    caption: 'How well low quality finds the corrupted modality: AUROC against the manifest (0.5 is chance)',
    head: ['cell', 'image', 'text'],
    rows: found.map(({ cell, quality }) => [cell, area(quality?.image), area(quality?.text)]),
  };
}

/** Cells other than modality-random ones, which have their own table. */
function fixedCells({ cells }: EvaluationResult): CellResult[] {
  return cells.filter(({ kind }) => kind !== 'modality-random');
}

type CsvRow = readonly (readonly [column: string, value: string | number | null | undefined])[];

/**
 * One row a cell with all its figures; shares are numbers from 0 to 1, an empty field is a figure that does not exist.
 * Several results go below each other; columns are those of any of them.
 */
export function csvReport(results: readonly EvaluationResult[], options?: CsvOptions): string {
  const rows = results.flatMap((result) =>
    result.cells.map((cell) => new Map([...runColumns(result), ...cellColumns(cell), ...classColumns(cell)])),
  );
  const head = [...new Set(rows.flatMap((row) => [...row.keys()]))];
  return formatCsv(
    head,
    rows.map((row) => head.map((column) => row.get(column) ?? '')),
    options,
  );
}

function runColumns({ run, evaluation }: EvaluationResult): CsvRow {
  return [
    ['run', run.path],
    ['method', run.method],
    ['ablations', run.ablations.join(' ')],
    ['seed', run.seed],
    ['trainingDisruption', run.trainingDisruption],
    ['checkpoint', run.checkpoint],
    ['dataset', evaluation.dataset],
    ['split', evaluation.split],
    ['disruptionSeed', evaluation.seed],
  ];
}

function cellColumns({ cell, kind, modality, setting, ratio, disrupted, report, paper, quality }: CellResult): CsvRow {
  return [
    ['cell', cell],
    ['kind', kind],
    ['modality', modality],
    ['setting', setting],
    ['ratio', ratio],
    ['posts', report.count],
    ...MODALITIES.flatMap((name): CsvRow => [
      [`${name}Corrupted`, disrupted[name].corrupted],
      [`${name}Discarded`, disrupted[name].discarded],
    ]),
    ['accuracy', report.accuracy],
    ['accuracyLow', report.accuracyInterval.low],
    ['accuracyHigh', report.accuracyInterval.high],
    ['weightedF1', report.weightedF1],
    ['macroF1', report.macroF1],
    ['expectedCalibrationError', report.calibration?.expectedCalibrationError],
    ['negativeLogLikelihood', report.calibration?.negativeLogLikelihood],
    ['majorityAccuracy', report.majorityAccuracy],
    ['paperAccuracy', paper?.accuracy],
    ['paperWeightedF1', paper?.weightedF1],
    ['imageQualityAuroc', quality?.image],
    ['textQualityAuroc', quality?.text],
  ];
}

function classColumns({ report }: CellResult): CsvRow {
  const scores = report.perClass.flatMap(({ name, precision, recall, f1, support }): CsvRow => [
    [`${name}.precision`, precision],
    [`${name}.recall`, recall],
    [`${name}.f1`, f1],
    [`${name}.posts`, support],
  ]);
  if (report.classes.length > LISTED_CLASSES) return scores; // a column for each pair would be thousands
  const counts = report.confusion.flatMap((row, truth) =>
    row.map((count, answer) => [`${report.classes[truth]}→${report.classes[answer]}`, count] as const),
  );
  return [...scores, ...counts];
}
