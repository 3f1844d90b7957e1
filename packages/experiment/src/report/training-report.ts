import { readdir, readFile, stat } from 'node:fs/promises';
import { writeFileAtomic } from '@drf/files';
import { loadSplits, whatIsWrong, type LedgerReport } from '@drf/datasets';
import { wilsonInterval } from '@drf/metrics';
import { formatDuration, percent } from '@drf/terminal';
import { describeCalibration, escapeHtml, type Calibration } from '@drf/judge';
import { readCalibration } from '../calibration/calibration-file.js';
import type { BestCheckpoint, MetricRow, RunDescription, RunFolder } from '../run-folder.js';
import { figure, lineChart, type Series } from './chart.js';
import { folded, htmlTable, legend, linkTo, paragraph, reportLinks, reportPage, type ReportLink, type ReportSection } from './html.js'; // prettier-ignore
import { lossTerms, lossWords, termsIn } from './terms.js';
import {
  answerSentences,
  answerWarnings,
  f1Of,
  knownPostsWarnings,
  lossSentences,
  type Answers,
  type ClassAnswers,
} from './words.js';

type EpochRow = Extract<MetricRow, { type: 'epoch' }>;

/** What a training report shows. */
export interface TrainingFacts {
  readonly description: RunDescription;
  readonly rows: readonly MetricRow[];
  readonly ledger: LedgerReport;
  readonly best: BestCheckpoint | undefined;
  readonly calibration: Calibration | null;
  /** Posts by split; default: not known. */
  readonly splits?: Readonly<Record<string, number>>;
  /** What may spoil the training; default: nothing known. */
  readonly warnings?: readonly string[];
  /** Reports of the run's evaluations. */
  readonly links?: readonly ReportLink[];
}

const FILE = 'report.html';

/**
 * Writes `report.html` of a run: what came out, data, classes, curves, epochs, configuration.
 * @param warnings what may spoil the training, such as few posts
 */
export async function writeTrainingReport(
  run: RunFolder,
  ledger: LedgerReport,
  warnings: readonly string[] = [],
): Promise<string> {
  const path = run.file(FILE);
  const description = await run.readDescription();
  const rows = await run.readMetrics();
  const best = await run.readBest();
  const calibration = best === undefined ? null : await readCalibration(run, best.checkpoint);
  const facts = { description, rows, ledger, best, calibration, warnings };
  const [links, splits] = [await evaluationLinks(run), await splitSizes(run)];
  await writeFileAtomic(path, trainingReport({ ...facts, links, splits }));
  return path;
}

async function splitSizes(run: RunFolder): Promise<Record<string, number>> {
  const splits = await loadSplits(run.file('splits')).catch(() => ({}));
  return Object.fromEntries(Object.entries(splits).map(([name, ids]) => [name, ids.length]));
}

const LINKS = ['<!-- evaluations -->', '<!-- end of evaluations -->'] as const;

/**
 * Lets a run's report link to the reports of its evaluations, as they are now. A report that is not there, or of an
 * earlier version, stays as it is.
 */
export async function linkEvaluations(run: RunFolder): Promise<void> {
  const path = run.file(FILE);
  const html = await readFile(path, 'utf8').catch(() => '');
  const [start, end] = LINKS.map((mark) => html.indexOf(mark)) as [number, number];
  if (start < 0 || end < start) return;
  const linked = html.slice(0, start) + markedLinks(await evaluationLinks(run)) + html.slice(end + LINKS[1].length);
  if (linked !== html) await writeFileAtomic(path, linked);
}

/** Reports of evaluations in a run's folder, whole ones and parts. */
async function evaluationLinks(run: RunFolder): Promise<ReportLink[]> {
  const names = await readdir(run.file('eval')).catch(() => [] as string[]);
  const links: ReportLink[] = [];
  for (const name of names.sort()) {
    const isThere = await stat(run.file('eval', name, FILE)).then((stats) => stats.isFile(), () => false); // prettier-ignore
    if (isThere) links.push({ words: `Evaluation: ${name}`, href: linkTo(`eval/${name}/${FILE}`) });
  }
  return links;
}

function markedLinks(links: readonly ReportLink[]): string {
  return LINKS.join(reportLinks(links));
}

/** The page itself. */
export function trainingReport(facts: TrainingFacts): string {
  const { description, rows, ledger, best, calibration, warnings = [], links = [] } = facts;
  const { config, versions, encoders } = description;
  const epochs = rows.filter((row) => row.type === 'epoch');
  const answers = answersOfBest(description, best);
  const settings = JSON.stringify({ config, versions, encoders }, null, 2);
  const sections: ReportSection[] = [
    { id: 'data', heading: 'Data', body: ledgerTable(ledger) },
    ...classSection(answers),
    ...(epochs.length === 0 ? [] : [{ id: 'curves', heading: 'Curves', body: curves(epochs).join('\n') }]),
    { id: 'epochs', heading: 'Epochs', body: epochTable(epochs) },
    {
      id: 'configuration',
      heading: 'Configuration',
      body: folded('All options, versions and encoders, as JSON', `<pre tabindex="0">${escapeHtml(settings)}</pre>`),
    },
  ];
  return reportPage({
    title: `Training run ${config.name}`,
    opening: [
      resultSentences(epochs, best, answers),
      best === undefined ? [] : describeCalibration(calibration),
      [...lossSentences(ledger), ...splitSentence(facts.splits)],
      trainingSentences(description, epochs, best),
    ],
    // those of the data speak of few posts themselves
    warnings: [...warnings, ...(answers === null ? [] : (warnings.length > 0 ? knownPostsWarnings : answerWarnings)(answers))], // prettier-ignore
    links: markedLinks(links),
    sections,
  });
}

function trainingSentences(
  { config, engine }: RunDescription,
  epochs: readonly EpochRow[],
  best: BestCheckpoint | undefined,
): string[] {
  const seconds = epochs.reduce((sum, row) => sum + row.seconds, 0);
  const count = `${epochs.length} of ${config.training.epochs} ${config.training.epochs === 1 ? 'epoch' : 'epochs'}`;
  const result = best === undefined ? '' : `; the result is epoch ${best.epoch} (${best.selection})`;
  return [`Trained: ${config.method} on ${config.dataset.name}, seed ${config.seed}, ${count} in ${formatDuration(seconds)} on engine ${engine}${result}.`]; // prettier-ignore
}

function splitSentence(splits: TrainingFacts['splits'] = {}): string[] {
  const { train, val, test } = splits;
  if (train === undefined) return [];
  return [`${train} posts were trained on, ${val ?? 0} are for validation and ${test ?? 0} for testing.`];
}

/** The answers of the run's result to the validation posts; null without any, and of runs of earlier versions. */
function answersOfBest({ classes }: RunDescription, best: BestCheckpoint | undefined): Answers | null {
  const counts = best?.validation?.classes;
  if (counts?.length !== classes.length) return null;
  const all = counts.map((own, i): ClassAnswers => ({ name: classes[i] as string, ...own }));
  return { split: 'val', classes: all, confidence: null };
}

function resultSentences(
  epochs: readonly EpochRow[],
  best: BestCheckpoint | undefined,
  answers: Answers | null,
): string[] {
  const row = epochs.find(({ epoch }) => epoch === best?.epoch);
  if (best === undefined || row === undefined) return ['No epoch has ended yet.'];
  if (row.valAccuracy === null) return ['There was no validation: nothing can be said of how good the model is.'];
  if (answers !== null) return answerSentences(answers);
  return [`Validation accuracy ${accuracyText(row.valAccuracy, row.valPosts)}.`];
}

/** Classes that a table lists; of more, the worst. */
const LISTED_CLASSES = 20;

function classSection(answers: Answers | null): ReportSection[] {
  if (answers === null) return [];
  const isMany = answers.classes.length > LISTED_CLASSES;
  const present = answers.classes.filter(({ support }) => support > 0);
  const shown = isMany ? present.toSorted((a, b) => f1Of(a) - f1Of(b)).slice(0, LISTED_CLASSES) : answers.classes;
  const share = (part: number, whole: number): string => (whole === 0 ? '–' : percent(part / whole));
  const table = {
    caption: `Answers of the result to the validation posts${isMany ? `: the ${shown.length} worst of ${present.length} classes` : ''} (percent)`,
    head: ['class', 'precision', 'recall', 'F1', 'posts', 'answered'],
    rows: shown.map((own) => [
      own.support === 0 ? `${own.name} (no posts here)` : own.name,
      share(own.right, own.predicted),
      share(own.right, own.support),
      own.support === 0 ? '–' : percent(f1Of(own)),
      String(own.support),
      String(own.predicted),
    ]),
  };
  return [{ id: 'classes', heading: 'Classes', body: legend(termsIn(table.head)) + htmlTable(table) }];
}

function curves(epochs: readonly EpochRow[]): string[] {
  const line = (name: string, value: (row: EpochRow) => number | null): Series => ({
    name,
    points: epochs.map((row) => ({ x: row.epoch, y: value(row) })),
  });
  const draw = (name: string, title: string, yName: string, lines: readonly Series[]): string =>
    figure(lineChart(name, title, lines, { xName: 'epoch', yName, xWhole: true }));
  const parts = Object.keys(epochs[0]?.trainParts ?? {});
  const isValidated = epochs.some(({ valAccuracy }) => valAccuracy !== null);
  return [
    legend([...lossTerms(parts), ...termsIn(['accuracy, weighted F1'])]),
    '<div class="figures">',
    ...(isValidated
      ? [
          draw('validation', 'Validation accuracy and weighted F1 by epoch', 'percent', [
            line('accuracy', (row) => (row.valAccuracy === null ? null : 100 * row.valAccuracy)),
            line('weighted F1', (row) => (row.valWeightedF1 === null ? null : 100 * row.valWeightedF1)),
          ]),
        ]
      : []),
    draw(
      'loss',
      'Parts of the training loss by epoch (mean over the steps, before their scales)',
      'loss',
      parts.map((part) => line(lossWords(part), (row) => row.trainParts[part] ?? null)),
    ),
    '</div>',
  ];
}

function epochTable(epochs: readonly EpochRow[]): string {
  const share = (value: number | null): string => (value === null ? '–' : percent(value));
  const table = {
    caption: 'Each epoch (scores in percent, of the validation posts)',
    head: ['epoch', 'training loss', 'validation loss', 'accuracy', 'weighted F1', 'seconds'],
    rows: epochs.map((row) => [
      String(row.epoch),
      row.trainLoss.toFixed(4),
      row.valLoss?.toFixed(4) ?? '–',
      share(row.valAccuracy),
      share(row.valWeightedF1),
      row.seconds.toFixed(1),
    ]),
  };
  return legend(termsIn(table.head)) + htmlTable(table);
}

/** Rows dropped for each reason that a report shows. */
const SHOWN_ROWS = 5;

function ledgerTable(ledger: LedgerReport): string {
  const rows = ledger.reasons.map(({ reason, count }) => [`dropped: ${reason}`, String(count), whatIsWrong(reason, count)]); // prettier-ignore
  const late = ledger.undecoded ?? 0;
  const columns = rows.length === 0 ? 2 : 3;
  const table = htmlTable({
    caption: `Rows of ${ledger.source}`,
    head: ['', 'rows', 'why'].slice(0, columns),
    rows: [['all', String(ledger.rows), ''], ['kept', String(ledger.kept), ''], ...rows].map((row) => row.slice(0, columns)), // prettier-ignore
  });
  const examples = ledger.reasons.flatMap(({ rows: dropped }) => dropped.slice(0, SHOWN_ROWS).flatMap(({ detail }) => detail ?? [])); // prettier-ignore
  const list = examples.map((detail) => `<li>${escapeHtml(detail)}</li>`).join('');
  return [
    table,
    ...(late === 0 ? [] : [paragraph(`${late} more ${late === 1 ? 'was' : 'were'} left out while encoding than the first table of the training showed.`)]), // prettier-ignore
    ...(list === '' ? [] : [folded('Rows that were dropped, for example', `<ul class="plain">${list}</ul>`)]),
    ...ledger.notes.map(({ message, ids }) => paragraph(ids.length === 0 ? message : `${message} (${ids.length} ${ids.length === 1 ? 'row' : 'rows'})`)), // prettier-ignore
  ].join('\n');
}

/**
 * An accuracy with what it rests on: "75.0 % of 12 posts (95 % interval: 46.8 to 91.1 %)", by Wilson.
 * @param posts left out or 0 where it is not known
 */
export function accuracyText(accuracy: number, posts = 0): string {
  if (posts === 0) return `${percent(accuracy)} %`;
  const { low, high } = wilsonInterval(Math.round(accuracy * posts), posts);
  const counted = `${posts} ${posts === 1 ? 'post' : 'posts'}`;
  return `${percent(accuracy)} % of ${counted} (95 % interval: ${percent(low)} to ${percent(high)} %)`;
}
