import { join } from 'node:path';
import { openDrawing } from '@drf/preprocessing';
import { escapeHtml, figure, htmlPage, htmlTable, type Chart, type ExperimentConfig } from '@drf/experiment';
import { writeFileAtomic } from '@drf/files';
import { formatDuration } from '@drf/terminal';
import { CLEAN } from '../cells.js';
import { letterNote, paperLine, trainedModalities } from '../paper.js';
import { cellsOf, studiesOf, systemName, type Study, type System } from '../statistics/compare.js';
import {
  aurocTable,
  COMPARISON_LINE,
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
  featureCharts,
  MOST_DRAWN,
  qualityCharts,
  reliabilityChart,
  robustnessCharts,
  trainingCharts,
  type Projection,
} from './charts.js';
import { gallery, GALLERY_SCRIPT, GALLERY_STYLE, galleryPosts } from './gallery.js';

export interface ReportOptions {
  /** Heading of the page. */
  readonly title?: string;
  /** The method that the others are compared with; default: drf if the store has it, else its first. */
  readonly reference?: string;
  /** How Figure 6 lays features out in the plane; default: t-SNE, as the paper does. */
  readonly projection?: Projection;
  /** Posts to show of each cell. */
  readonly posts: number;
  readonly onProgress?: OnProgress;
  /** Told of what could not be shown. */
  readonly onNote: (note: string) => void;
}

export interface Report {
  readonly html: string;
  readonly charts: readonly Chart[];
  readonly tables: readonly ResultTable[];
}

/** A part of the page, with its place in the contents. */
interface Part {
  readonly id: string;
  readonly heading: string;
  /** HTML */
  readonly body: string;
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
  const parts: Part[] = [];
  const charts: Chart[] = [];
  const tables: ResultTable[] = [];
  for (const study of studies) {
    const prefix = studies.length === 1 ? '' : `${study.experiment}, ${study.split}: `;
    const own = await studyParts(store, study, options);
    const name = (id: string): string => (studies.length === 1 ? id : `${study.experiment}-${study.split}-${id}`);
    parts.push(...own.parts.map((part) => ({ ...part, id: name(part.id), heading: prefix + part.heading })));
    charts.push(...own.charts.map((chart) => ({ ...chart, name: name(chart.name) })));
    tables.push(...own.tables);
  }
  return {
    html: reportPage(options.title ?? 'Robust multimodal sentiment: results', introduction(store, studies), parts),
    charts,
    tables,
  };
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
    paragraph(`${trainings} trainings, ${time} of training one after the other; code ${versions.join(', ')}.`),
    paragraph(storedPaperLine(store, studies)),
    ...(store.cells.some(isPooled) ? [paragraph(FOLDS_LINE)] : []),
  ].join('\n');
}

async function studyParts(
  store: ResultStore,
  study: Study,
  options: ReportOptions,
): Promise<{ parts: Part[]; charts: Chart[]; tables: ResultTable[] }> {
  const reference = referenceOf(study, options.reference);
  const tables = resultTables(store, study, reference, options.onProgress);
  const drawn: Readonly<Record<string, readonly Chart[]>> = {
    'table-4': ablationCharts(study),
    'figure-5': robustnessCharts(study, reference),
  };
  const { projection = 't-sne' } = options;
  const features = featureCharts(store, study, projection, options.onProgress);
  const quality = qualityCharts(store, study, reference);
  const reliability = reliabilityChart(store, study, reference);
  const training = trainingCharts(store, study, reference);
  const parts: Part[] = tables.map((own) => tablePart(own, drawn[own.id] ?? []));
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
      'The quality estimate of intact posts and of corrupted ones by how much was corrupted, trained on intact posts, all seeds together.';
    parts.push({
      id: 'quality',
      heading: 'Quality estimates',
      body:
        paragraph(line) +
        figures(quality) +
        folded('AUROC of every cell', area.map((own) => htmlTable(own)).join('\n')),
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
    const line = `Posts as ${systemName(whole)} met them, of the first seed: densities are log densities over their peak, weights those of the pairs (image, text), (image, recovered text), (recovered image, text).`;
    parts.push({ id: 'posts', heading: 'Posts', body: paragraph(line) + gallery(posts) });
  }
  const charts = [...Object.values(drawn).flat(), ...features, ...quality, ...reliability, ...training];
  return { parts, charts, tables };
}

function tablePart(
  { id, heading, lines, tables, conclusion, details, comparisons }: ResultTable,
  charts: readonly Chart[],
): Part {
  const many = comparisons.length === 1 ? 'The comparison' : `All ${comparisons.length} comparisons`;
  const body = [
    ...lines.map(paragraph),
    charts.length === 0 ? '' : figures(charts),
    ...tables.map((own) => htmlTable(own)),
    ...(conclusion === null ? [] : [paragraph(conclusion)]),
    ...details.map((own) => folded(many, paragraph(COMPARISON_LINE) + htmlTable(own))),
  ];
  return { id, heading, body: body.join('\n') };
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

function paragraph(text: string): string {
  return `<p>${escapeHtml(text)}</p>`;
}

function figures(charts: readonly Chart[]): string {
  return `<div class="figures">${charts.map(figure).join('\n')}</div>`;
}

/** The page in one file. */
function reportPage(title: string, introduction: string, parts: readonly Part[]): string {
  const contents = parts.map(({ id, heading }) => `<li><a href="#${id}">${escapeHtml(heading)}</a></li>`).join('');
  const body = parts.map(
    ({ id, heading, body: own }) =>
      `<section id="${id}" aria-labelledby="${id}-heading"><h2 id="${id}-heading">${escapeHtml(heading)}</h2>\n${own}</section>`,
  );
  const contentsOfAll = `<nav aria-label="Contents"><ol>${contents}</ol></nav>`;
  const options = { style: GALLERY_STYLE, script: GALLERY_SCRIPT };
  return htmlPage(title, [introduction, contentsOfAll, ...body].join('\n'), options);
}

function folded(summary: string, body: string): string {
  return `<details><summary>${summary}</summary>${body}</details>`;
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
      return [htmlTable(table, shares)];
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
    const png = await openDrawing(svg, { density: 72 * PNG_SCALE })
      .flatten({ background: '#ffffff' })
      .png()
      .toBuffer();
    await writeFileAtomic(`${base}.png`, png);
    written.push(`${base}.svg`, `${base}.png`);
  }
  return written;
}
