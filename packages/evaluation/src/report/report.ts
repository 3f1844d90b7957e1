import { join } from 'node:path';
import { openDrawing } from '@drf/datasets';
import type { ExperimentConfig } from '@drf/experiment';
import { writeFileAtomic } from '@drf/files';
import { formatDuration } from '@drf/terminal';
import {
  cellsOf,
  studiesOf,
  systemName,
  type Study,
  type System,
  type SystemComparison,
} from '../statistics/compare-systems.js';
import type { OnProgress } from '../statistics/stages.js';
import { COMPARISON_LINE, comparisonRows } from '../statistics/comparison-tables.js';
import { aurocTable, methodsOf, paperTables, type PaperTable } from '../statistics/tables.js';
import type { ResultStore } from '../store/result-store.js';
import { CLEAN } from '../cells.js';
import { FOLDS_LINE, isPooled } from '../store/pool-folds.js';
import type { StoredCell } from '../store/records.js';
import { letterNote, trainedModalities } from '../run-identity.js';
import { paperLine } from '../sections.js';
import type { Projection } from './plane.js';
import type { Chart } from './chart.js';
import {
  ablationCharts,
  featureCharts,
  MOST_DRAWN,
  qualityCharts,
  reliabilityChart,
  robustnessCharts,
  trainingCharts,
} from './figures.js';
import { galleryPosts } from './gallery.js';
import { confusion, figures, gallery, paragraph, reportPage, table, type Part } from './page.js';

export interface ReportOptions {
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
  readonly tables: readonly PaperTable[];
}

/** The method to compare with: the one that is asked for, else DRF, else the first. */
export function referenceOf(study: Study, asked?: string): string {
  const methods = [...new Set(study.cells.map(({ method }) => method))];
  const wanted = asked ?? 'drf';
  return methods.includes(wanted) ? wanted : (methods[0] as string);
}

/** A store as one page with its charts and tables; several experiments follow each other. */
export async function buildReport(store: ResultStore, options: ReportOptions): Promise<Report> {
  const studies = studiesOf(store);
  if (store.waiting > 0) options.onNote(waitingLine(store));
  const parts: Part[] = [];
  const charts: Chart[] = [];
  const tables: PaperTable[] = [];
  for (const study of studies) {
    const prefix = studies.length === 1 ? '' : `${study.experiment}, ${study.split}: `;
    const own = await studyParts(store, study, options);
    const name = (id: string): string => (studies.length === 1 ? id : `${study.experiment}-${study.split}-${id}`);
    parts.push(...own.parts.map((part) => ({ ...part, id: name(part.id), heading: prefix + part.heading })));
    charts.push(...own.charts.map((chart) => ({ ...chart, name: name(chart.name) })));
    tables.push(...own.tables);
  }
  return {
    html: reportPage('Robust multimodal sentiment: results', introduction(store, studies), parts),
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
  const note = letterNote(configsOf(cells.filter(({ method }) => method.split('+')[0] === 'drf-paper')));
  return note === null ? line : `${line} ${note}`;
}

function introduction(store: ResultStore, studies: readonly Study[]): string {
  const { trainings, hours, versions } = store.summary();
  const lines = studies.map(({ experiment, dataset, split, cells }) => {
    const seeds = [...new Set(cells.map(({ seed }) => seed))].sort((a, b) => a - b);
    return `${experiment} (${dataset}): ${cells.length} cells, judged on ${cells[0]?.posts ?? 0} posts of split ${split}, seeds ${seeds.join(', ')}.`;
  });
  const time = formatDuration(hours * 3600);
  return [
    ...lines.map(paragraph),
    paragraph(`${trainings} trainings, ${time} of training one after the other; code ${versions.join(', ')}.`),
    paragraph(storedPaperLine(store, studies)),
    ...(store.cells.some(isPooled) ? [paragraph(FOLDS_LINE)] : []),
  ].join('\n');
}

/** Charts that stand beside a table, by the table's id. */
export function tableCharts(study: Study, reference: string): Readonly<Record<string, readonly Chart[]>> {
  return { 'table-4': ablationCharts(study), 'figure-5': robustnessCharts(study, reference) };
}

async function studyParts(
  store: ResultStore,
  study: Study,
  options: ReportOptions,
): Promise<{ parts: Part[]; charts: Chart[]; tables: PaperTable[] }> {
  const reference = referenceOf(study, options.reference);
  const tables = paperTables(store, study, reference, options.onProgress);
  const drawn = tableCharts(study, reference);
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
      body: paragraph(line) + figures(quality) + folded('AUROC of every cell', area.map(table).join('\n')),
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

function tablePart({ id, heading, lines, tables, comparisons }: PaperTable, charts: readonly Chart[]): Part {
  const body = [
    ...lines.map(paragraph),
    charts.length === 0 ? '' : figures(charts),
    ...tables.map(table),
    comparisonSummary(comparisons),
  ];
  return { id, heading, body: body.join('\n') };
}

/** How many comparisons end how, and each of them on request. */
function comparisonSummary(comparisons: readonly SystemComparison[]): string {
  if (comparisons.length === 0) return '';
  const rows = comparisonRows('Paired comparisons', comparisons);
  return (
    paragraph(verdictLine(comparisons)) +
    folded(
      comparisons.length === 1 ? 'The comparison' : `All ${comparisons.length} comparisons`,
      paragraph(COMPARISON_LINE) + table(rows),
    )
  );
}

/** In a sentence: what the comparisons of a table show. */
export function verdictLine(comparisons: readonly SystemComparison[]): string {
  const count = (verdict: SystemComparison['verdict']): number =>
    comparisons.filter((own) => own.verdict === verdict).length;
  const first = comparisons[0]?.first as System;
  return `${systemName(first)} against the others, ${comparisons.length} ${comparisons.length === 1 ? 'comparison' : 'comparisons'}: better in ${count('better')}, worse in ${count('worse')}, undecided in ${count(null)}.`;
}

function folded(summary: string, body: string): string {
  return `<details><summary>${summary}</summary>${body}</details>`;
}

function confusions(store: ResultStore, study: Study, methods: readonly System[]): string {
  return methods
    .flatMap((system) => {
      const cells = cellsOf(study, system, { trainedOn: CLEAN, testedOn: CLEAN });
      const [first] = cells;
      if (first === undefined) return [];
      const { classes } = store.posts(first);
      const sum = classes.map((_, truth) =>
        classes.map((__, answer) =>
          cells.reduce((total, cell) => total + (store.report(cell).confusion[truth]?.[answer] ?? 0), 0),
        ),
      );
      return [confusion(`${systemName(system)}, intact posts, ${cells.length} seeds together`, classes, sum)];
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
