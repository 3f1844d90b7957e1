import { join } from 'node:path';
import {
  FEW_POSTS,
  cellWords,
  contestSentences,
  figure,
  folded,
  htmlTable,
  legend,
  paragraph,
  reportLinks,
  reportPage,
  standingSentences,
  termsIn,
  type Chart,
  type ExperimentConfig,
  type ReportLink,
  type ReportSection,
  type TableData,
} from '@drf/experiment';
import { writeFileAtomic } from '@drf/files';
import { openDrawing } from '@drf/preprocessing';
import { formatDuration } from '@drf/terminal';
import { CLEAN } from '../cells.js';
import { letterNote, paperFiguresOf, paperLine, trainedModalities } from '../paper.js';
import { cellsOf, studiesOf, systemName, type Comparison, type Study, type System } from '../statistics/compare.js';
import {
  aurocTable,
  COMPARISON_LINE,
  DISRUPTED,
  meanAccuracy,
  methodsOf,
  referenceOf,
  resultTables,
  type ResultTable,
} from '../statistics/tables.js';
import type { OnProgress } from '../display.js';
import { FOLDS_LINE, isPooled } from '../store/pool-folds.js';
import type { StoredCell } from '../store/records.js';
import type { ResultStore } from '../store/result-store.js';
import { textTable } from '../table.js';
import {
  ablationCharts,
  differenceChart,
  disruptionChart,
  featureCharts,
  MOST_DRAWN,
  qualityCharts,
  reliabilityChart,
  robustnessCharts,
  severityCharts,
  trainingCharts,
  type Projection,
} from './charts.js';
import { FILTERS_STYLE, gallery, GALLERY_SCRIPT, galleryPosts } from './gallery.js';
import { POSTS_STYLE } from './post-card.js';

export interface ReportOptions {
  /** Heading of the page. */
  readonly title?: string;
  /** The method that the others are compared with; default: drf if the store has it, else its first. */
  readonly reference?: string;
  /** How Figure 6 lays features out in the plane; default: t-SNE, as the paper does. */
  readonly projection?: Projection;
  /** Posts to show of each cell. */
  readonly posts: number;
  /** Further pages, such as the reports of single runs. */
  readonly links?: readonly ReportLink[];
  readonly onProgress?: OnProgress;
  /** Told of what could not be shown. */
  readonly onNote: (note: string) => void;
}

export interface Report {
  readonly html: string;
  readonly charts: readonly Chart[];
  readonly tables: readonly ResultTable[];
}

/** A store as one page with its charts and tables; several experiments follow each other. */
export async function buildReport(store: ResultStore, options: ReportOptions): Promise<Report> {
  const studies = studiesOf(store);
  if (store.waiting > 0) options.onNote(waitingLine(store));
  const { reference } = options;
  const methods = [...new Set(store.cells.map(({ method }) => method))];
  if (reference !== undefined && !methods.includes(reference)) {
    options.onNote(`--reference "${reference}" is none of the methods here: ${methods.join(', ')}`);
  }
  const parts: ReportSection[] = [];
  const openings: string[][] = [];
  const charts: Chart[] = [];
  const tables: ResultTable[] = [];
  for (const study of studies) {
    const prefix = studies.length === 1 ? '' : `${study.experiment}, ${study.split}: `;
    const own = await studyParts(store, study, options);
    const name = (id: string): string => (studies.length === 1 ? id : `${study.experiment}-${study.split}-${id}`);
    parts.push(...own.parts.map((part) => ({ ...part, id: name(part.id), heading: prefix + part.heading })));
    charts.push(...own.charts.map((chart) => ({ ...chart, name: name(chart.name) })));
    tables.push(...own.tables);
    openings.push(studyOpening(study, own.tables, options.reference, prefix));
  }
  const html = reportPage(
    {
      title: options.title ?? 'Robust multimodal sentiment: results',
      opening: openings,
      warnings: [
        ...(store.waiting > 0 ? [waitingLine(store)] : []),
        ...studies.flatMap((study) =>
          studyWarnings(study, studies.length === 1 ? '' : `${study.experiment}, ${study.split}: `),
        ),
      ],
      links: reportLinks(options.links ?? []),
      sections: [...parts, { id: 'about', heading: 'What was compared', body: introduction(store, studies) }],
    },
    { style: `${POSTS_STYLE}${FILTERS_STYLE}`, script: GALLERY_SCRIPT },
  );
  return { html, charts, tables };
}

/** What a study shows, in words. */
function studyOpening(
  study: Study,
  tables: readonly ResultTable[],
  asked: string | undefined,
  prefix: string,
): string[] {
  const reference = referenceOf(study, asked);
  const disrupted = DISRUPTED.filter(({ name }) => name !== 'intact').flatMap(({ strategies }) => strategies);
  const standings = methodsOf(study, reference).map((system) => ({
    name: systemName(system),
    intact: meanAccuracy(study, system, [CLEAN]),
    disrupted: meanAccuracy(study, system, disrupted),
  }));
  const means = meansOf(tables);
  const intact = tables.find(({ id }) => id === 'table-3')?.comparisons ?? [];
  const contests = (means.length > 0 ? means : intact).map((own) => ({
    ...own,
    first: systemName(own.first),
    second: systemName(own.second),
    on: means.length > 0 ? `the mean over ${own.cells.length} disrupted cells` : 'intact posts',
  }));
  const single = tables.filter(({ id }) => id !== 'overall').flatMap(({ comparisons }) => comparisons);
  const [cell] = study.cells;
  const base = `${cell?.posts ?? 0} posts of split ${study.split}, ${seedsText(study.cells)}`;
  return [
    `${prefix === '' ? 'Judged on' : `${prefix}judged on`} ${base}.`,
    ...standingSentences(standings),
    ...contestSentences(contests, single.map(({ verdict }) => verdict)),
  ]; // prettier-ignore
}

/** The means over the most cells that there are, a method each. */
function meansOf(tables: readonly ResultTable[]): readonly Comparison[] {
  const all = tables.find(({ id }) => id === 'overall')?.comparisons ?? [];
  const seconds = [...new Set(all.map(({ second }) => systemName(second)))];
  return seconds.flatMap((name) => {
    const own = all.filter(({ second }) => systemName(second) === name);
    return own.toSorted((a, b) => b.cells.length - a.cells.length).slice(0, 1);
  });
}

/** @param prefix names the study where there are several */
function studyWarnings({ cells }: Study, prefix: string): string[] {
  const posts = cells[0]?.posts ?? 0;
  const seeds = new Set(cells.map(({ seed }) => seed)).size;
  return [
    ...(posts < FEW_POSTS ? [`${prefix}Only ${posts} posts, each ${(100 / posts).toFixed(1)} points of accuracy: small differences mean nothing.`] : []),
    ...(seeds === 1 ? [`${prefix}One seed: how much trainings vary is not known, and no method is called better.`] : []),
  ]; // prettier-ignore
}

/** What a reader must know of folds that are not there. */
export function waitingLine({ waiting }: ResultStore): string {
  return `${waiting} cells of single folds are left out until the other folds are there: run the same grid again`;
}

/** {@link paperLine} and {@link letterNote} of all trainings of some studies. */
export function storedPaperLine(store: ResultStore, studies: readonly Study[]): string {
  const cells = studies.flatMap((study) => study.cells);
  const configsOf = (some: readonly StoredCell[]): ExperimentConfig[] =>
    [...new Map(some.map((cell) => [cell.rows[0]?.trainingId, cell])).values()].map((cell) => store.config(cell));
  const line = paperLine(configsOf(cells).map(trainedModalities));
  const note = letterNote(configsOf(cells.filter(({ method }) => method.startsWith('drf-paper'))));
  return note === null ? line : `${line} ${note}`;
}

/** Such as "seeds 0, 1, 2". */
export function seedsText(cells: readonly StoredCell[]): string {
  const seeds = [...new Set(cells.map(({ seed }) => seed))].sort((a, b) => a - b);
  return `${seeds.length === 1 ? 'seed' : 'seeds'} ${seeds.join(', ')}`;
}

function introduction(store: ResultStore, studies: readonly Study[]): string {
  const { trainings, hours, versions } = store.summary();
  const lines = studies.map(({ experiment, dataset, split, cells }) => {
    return `${experiment} (${dataset}): ${cells.length} cells, judged on ${cells[0]?.posts ?? 0} posts of split ${split}, ${seedsText(cells)}.`;
  });
  const time = formatDuration(hours * 3600);
  return [
    ...lines.map(paragraph),
    paragraph(`${trainings} trainings, ${time} of training one after the other${codeText(versions)}.`),
    ...(studies.some(({ dataset }) => paperFiguresOf('DRF', [], dataset, CLEAN) !== null) ? [paragraph(storedPaperLine(store, studies))] : []), // prettier-ignore
    ...(store.cells.some(isPooled) ? [paragraph(FOLDS_LINE)] : []),
  ].join('\n');
}

/** Versions of the code, as far as they are known. */
function codeText(versions: readonly string[]): string {
  const known = versions.filter((version) => version !== 'unknown');
  return known.length === 0 ? '' : `; code ${known.join(', ')}`;
}

async function studyParts(
  store: ResultStore,
  study: Study,
  options: ReportOptions,
): Promise<{ parts: ReportSection[]; charts: Chart[]; tables: ResultTable[] }> {
  const reference = referenceOf(study, options.reference);
  const tables = resultTables(store, study, reference, options.onProgress);
  const drawn: Readonly<Record<string, readonly Chart[]>> = {
    overall: differenceChart(meansOf(tables)),
    'table-1': disruptionChart(study, reference),
    'table-4': ablationCharts(study),
    'figure-5': robustnessCharts(study, reference),
    corruptions: severityCharts(study, reference),
  };
  const { projection = 't-sne' } = options;
  const features = featureCharts(store, study, projection, options.onProgress);
  const quality = qualityCharts(store, study, reference);
  const reliability = reliabilityChart(store, study, reference);
  const training = trainingCharts(store, study, reference);
  const parts: ReportSection[] = tables.toSorted(picturesFirst).map((own) => tablePart(own, drawn[own.id] ?? []));
  if (features.length > 0) {
    const how = { 't-sne': 't-SNE', umap: 'UMAP' }[projection];
    const line = `Features of discarded images and texts, as the model recovers them and as they are when intact, of at most ${MOST_DRAWN} posts, projected together by ${how} (each chart by itself; only nearness means something). Models trained and tested at the same dr.`;
    parts.push({
      id: 'figure-6',
      heading: 'Figure 6: true and recovered features',
      body: paragraph(line) + figures(features),
    });
  }
  const area = aurocTable(study);
  if (quality.length > 0 || area.length > 0) {
    const line =
      quality.length > 0
        ? 'The quality estimate of intact posts and of corrupted ones by how much was corrupted, trained on intact posts, all seeds together.'
        : 'How well a low quality estimate finds the corrupted modality, as AUROC: 0.5 is chance, 1 is always.';
    parts.push({
      id: 'quality',
      heading: 'Quality estimates',
      body:
        paragraph(line) +
        (quality.length > 0 ? figures(quality) : '') +
        folded(
          'AUROC of every cell',
          legend(termsIn(area.flatMap(textsOf))) + area.map((own) => htmlTable(own, { words: cellWords })).join('\n'),
        ),
    });
  }
  if (reliability.length > 0) parts.push({ id: 'reliability', heading: 'Reliability', body: figures(reliability) });
  const whole: System = { method: reference, without: null };
  const matrices = confusions(store, study, methodsOf(study, reference));
  if (matrices !== '') parts.push({ id: 'confusion', heading: 'Confusion matrices', body: matrices });
  if (training.length > 0) parts.push({ id: 'training', heading: 'Training curves', body: figures(training) });
  const posts = await galleryPosts(store, study, whole, options.posts, (reason) =>
    options.onNote(`no posts are shown: ${reason}`),
  );
  if (posts.length > 0) {
    const line = `Posts as ${systemName(whole)} met them, of the first seed: quality and densities are log densities over their peak, quality a log-likelihood ratio of intact to corrupted where the method has discriminants, weights those of the pairs (image, text), (image, recovered text), (recovered image, text).`;
    parts.push({ id: 'posts', heading: 'Posts', body: paragraph(line) + gallery(posts) });
  }
  const charts = [...Object.values(drawn).flat(), ...features, ...quality, ...reliability, ...training];
  return { parts, charts, tables };
}

/** The overall table, then what is drawn, then the others. */
function picturesFirst(one: ResultTable, other: ResultTable): number {
  const rank = ({ id }: ResultTable): number => (id === 'overall' ? 0 : id === 'figure-5' ? 1 : 2);
  return rank(one) - rank(other);
}

/** Rows from which on a table is folded. */
const LONG = 12;

function tablePart(
  { id, heading, lines, tables, conclusion, details, comparisons }: ResultTable,
  charts: readonly Chart[],
): ReportSection {
  const many = comparisons.length === 1 ? 'The comparison' : `All ${comparisons.length} comparisons`;
  const body = [
    ...(conclusion === null ? [] : [paragraph(conclusion)]),
    charts.length === 0 ? '' : figures(charts),
    legend(termsIn([...tables, ...details].flatMap(textsOf))),
    ...tables.map((own) =>
      own.rows.length <= LONG ? htmlTable(own) : folded(`${own.caption}: ${own.rows.length} rows`, htmlTable(own)),
    ),
    ...details.map((own) => folded(many, paragraph(COMPARISON_LINE) + htmlTable(own, { words: cellWords }))),
    ...lines.map(paragraph),
  ];
  return { id, heading, body: body.join('\n') };
}

function textsOf({ caption, head, rows }: TableData): string[] {
  return [caption, ...head, ...rows.flatMap(([first = '', second = '']) => [first, second])];
}

/** Tables for a terminal. @param details prints every comparison */
export function tablesText(tables: readonly ResultTable[], details: boolean): string {
  return tables
    .flatMap(({ heading, lines, tables: own, conclusion, details: comparisons }) => [
      `== ${heading}`,
      ...lines,
      ...own.map(textTable),
      ...(conclusion === null ? [] : [conclusion]),
      ...(details ? comparisons.map(textTable) : []),
      '',
    ])
    .map((line) => `${line}\n`)
    .join('');
}

function figures(charts: readonly Chart[]): string {
  return `<div class="figures">${charts.map(figure).join('\n')}</div>`;
}

/** A matrix of more would fill the page. */
const MOST_CLASSES = 20;

function confusions(store: ResultStore, study: Study, methods: readonly System[]): string {
  return methods
    .flatMap((system) => {
      const cells = cellsOf(study, system, { trainedOn: CLEAN, testedOn: CLEAN });
      const [first] = cells;
      if (first === undefined) return [];
      const { classes } = store.posts(first);
      if (classes.length > MOST_CLASSES) return [];
      const counts = classes.map((_, truth) =>
        classes.map((__, answer) =>
          cells.reduce((total, cell) => total + (store.report(cell).confusion[truth]?.[answer] ?? 0), 0),
        ),
      );
      const shares = counts.map((row) => {
        const total = row.reduce((sum, count) => sum + count, 0);
        return row.map((count) => (total === 0 ? 0 : count / total));
      });
      const table = {
        caption: `${systemName(system)}, intact posts, ${cells.length} seeds together`,
        head: ['truth', ...classes.map((name) => `→ ${name}`)],
        rows: counts.map((row, truth) => [
          classes[truth] ?? '',
          ...row.map((count, answer) => `${count} (${(100 * (shares[truth]?.[answer] ?? 0)).toFixed(0)} %)`),
        ]),
      };
      return [htmlTable(table, { shades: shares })];
    })
    .join('\n');
}

const PNG_SCALE = 2;

/** A chart's name as that of a file, without ending. */
export function chartFile(name: string): string {
  return name.replaceAll(/[^\w.+-]/g, '_');
}

/** Writes each chart as SVG and as PNG on white. @returns the paths */
export async function writeCharts(charts: readonly Chart[], folder: string): Promise<string[]> {
  const written: string[] = [];
  for (const { name, svg } of charts) {
    const base = join(folder, chartFile(name));
    await writeFileAtomic(`${base}.svg`, svg);
    const drawing = await openDrawing(svg, { density: 72 * PNG_SCALE });
    const png = await drawing.flatten({ background: '#ffffff' }).png().toBuffer();
    await writeFileAtomic(`${base}.png`, png);
    written.push(`${base}.svg`, `${base}.png`);
  }
  return written;
}
