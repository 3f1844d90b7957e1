import type { Chart, TableData } from '@drf/experiment';
import { percent } from '@drf/terminal';
import { CLEAN } from '../cells.js';
import { paperDrop } from '../paper.js';
import { studiesOf, systemName, type Comparison, type Study, type System } from '../statistics/compare.js';
import {
  aurocTable,
  COMPARISON_LINE,
  curveOf,
  DISRUPTED,
  isMatched,
  meanAccuracy,
  methodsOf,
  paperMean,
  referenceOf,
  resultTables,
  type ResultTable,
} from '../statistics/tables.js';
import type { OnProgress } from '../display.js';
import { FOLDS_LINE, isPooled } from '../store/pool-folds.js';
import type { ResultStore } from '../store/result-store.js';
import { markdownTable, NOTHING, share, signed, span } from '../table.js';
import { ablationCharts, differenceChart, disruptionChart, robustnessCharts } from './charts.js';
import { chartFile, seedsText, storedPaperLine, waitingLine } from './report.js';

const BEGIN = '<!-- written by drf eval results; changes by hand are lost -->';
const END = '<!-- end of what drf eval results writes -->';

export interface ResultsPageOptions {
  /** How the page is written, for the reader. */
  readonly command: string;
  /** The method that the others are compared with; default as in the report. */
  readonly reference?: string;
  readonly onProgress?: OnProgress;
  /** Where the page finds a file of the folder of tables, and of that of charts. */
  readonly tables: string;
  readonly charts: string;
  /** Where a file of tables finds the folder of charts, and the page. */
  readonly chartsFromTables: string;
  readonly pageFromTables: string;
}

/** A page that a person reads, and what it leads to. */
export interface ResultsPage {
  /** Between marks, so that what stands around it in the document stays ({@link replacePart}). */
  readonly part: string;
  /** The tables, a Markdown file each. */
  readonly tables: readonly { readonly file: string; readonly markdown: string }[];
  readonly charts: readonly Chart[];
}

/** A store in short: a headline table, three charts with what each shows, and links to all tables. */
export function resultsPage(store: ResultStore, options: ResultsPageOptions): ResultsPage {
  const studies = studiesOf(store);
  const waiting = store.waiting === 0 ? [] : [`Note: ${waitingLine(store)}.`];
  const parts: string[] = [];
  const tables: ResultsPage['tables'][number][] = [];
  const charts: Chart[] = [];
  for (const study of studies) {
    const own = studyPage(store, study, options, studies.length === 1 ? '' : `${study.experiment}-${study.split}-`);
    parts.push(...own.parts);
    tables.push(...own.tables);
    charts.push(...own.charts);
  }
  const command = `\`\`\`sh\n${options.command}\n\`\`\``;
  const part = [BEGIN, originLine(store), command, ...waiting, ...parts, END].join('\n\n');
  return { part, tables, charts };
}

/** From what the numbers come. */
function originLine(store: ResultStore): string {
  const { trainings, versions, resultVersions } = store.summary();
  const code = versions.map((version) => `\`${version}\``).join(', ');
  const results = `results of version ${resultVersions.join(' and ')}`;
  return `Every number here and in the tables below is printed from one store: ${trainings} trainings, ${store.cells.length.toLocaleString('en')} cells, ${seedsText(store.cells)}, ${results}, code ${code}. Printed by:`;
}

function studyPage(
  store: ResultStore,
  study: Study,
  options: ResultsPageOptions,
  prefix: string,
): { readonly parts: string[]; readonly tables: ResultsPage['tables'][number][]; readonly charts: Chart[] } {
  const reference = { method: referenceOf(study, options.reference), without: null };
  const results = resultTables(store, study, reference.method, options.onProgress);
  const means = widest(results.find(({ id }) => id === 'overall')?.comparisons ?? []);
  const named = (chart: Chart): Chart => ({ ...chart, name: chartFile(prefix + chart.name) });
  const robustness = robustnessCharts(study, reference.method).map(named);
  const [curve] = robustness.toReversed(); // C+D, where it is there
  const shown = [
    ...disruptionChart(study, reference.method).map((chart) => ({
      chart: named(chart),
      line: disruptionLine(study, reference),
    })),
    ...(curve === undefined ? [] : [{ chart: curve, line: robustnessLine(study, reference) }]),
    ...differenceChart(means).map((chart) => ({ chart: named(chart), line: differenceLine(means) })),
  ];
  const beside: Readonly<Record<string, readonly Chart[]>> = {
    'table-4': ablationCharts(study).map(named),
    'figure-5': robustness,
  };
  const image = (folder: string, { name, description }: Chart): string => `![${description}](${folder}/${name}.svg)`;
  const auroc = aurocTable(study);
  const files = [
    ...results.map((result) => ({
      heading: result.heading,
      conclusion: result.conclusion,
      file: `${chartFile(prefix + result.id)}.md`,
      lines: [
        ...(beside[result.id] ?? []).map((chart) => image(options.chartsFromTables, chart)),
        ...tableLines(result),
      ],
    })),
    ...(auroc.length === 0
      ? []
      : [{ heading: 'Quality as a detector of corruption', conclusion: null, file: `${chartFile(prefix)}quality.md`, lines: auroc.map(markdownTable) }]), // prettier-ignore
  ];
  const posts = `Data set ${study.dataset}, ${study.cells[0]?.posts ?? 0} posts judged, ${seedsText(study.cells)}. ${storedPaperLine(store, [study])}`;
  const parts = [
    `## ${study.experiment}, split ${study.split}`,
    posts,
    ...(study.cells.some(isPooled) ? [FOLDS_LINE] : []),
    markdownTable(headlineTable(study, reference, means)),
    ...shown.flatMap(({ chart, line }) => [image(options.charts, chart), line]),
    'All tables, with every comparison:',
    files.map(({ heading, conclusion, file }) => `- [${heading}](${options.tables}/${file})${conclusion === null ? '' : `: ${conclusion}`}`).join('\n'), // prettier-ignore
  ];
  const origin = `From [the results](${options.pageFromTables}): ${posts}`;
  return {
    parts,
    tables: files.map(({ heading, file, lines }) => ({
      file,
      markdown: [BEGIN, `# ${heading}`, origin, ...lines].join('\n\n') + '\n',
    })),
    charts: [...shown.map(({ chart }) => chart), ...Object.values(beside).flat()].filter(
      ({ name }, i, all) => all.findIndex((other) => other.name === name) === i,
    ),
  };
}

function tableLines({ lines, tables, conclusion, details }: ResultTable): string[] {
  return [
    ...lines,
    ...tables.map(markdownTable),
    ...(conclusion === null ? [] : [conclusion]),
    ...details.flatMap((table) => [COMPARISON_LINE, markdownTable(table)]),
  ];
}

/** Of the means over cells those of most seeds, and of these those over most cells, one for each other system. */
function widest(means: readonly Comparison[]): Comparison[] {
  const most = new Map<string, Comparison>();
  for (const own of means) {
    const name = systemName(own.second);
    const former = most.get(name);
    const further = own.seeds - (former?.seeds ?? 0) || own.cells.length - (former?.cells.length ?? 0);
    if (further > 0) most.set(name, own);
  }
  return [...most.values()];
}

/** A row a method: how often it is right, and how far the reference is from it. */
function headlineTable(study: Study, reference: System, means: readonly Comparison[]): TableData {
  const columns = [
    ...DISRUPTED,
    { name: 'a share disrupted', strategies: [] }, // by models that were trained at the same share
  ];
  const rows = methodsOf(study, reference.method).map((system) => {
    const own = means.find(({ second }) => systemName(second) === systemName(system));
    return [
      systemName(system),
      ...DISRUPTED.map(({ strategies }) => share(meanAccuracy(study, system, strategies))),
      share(matchedMean(study, system)),
      own === undefined ? NOTHING : signed(own.difference),
      span(own?.interval ?? null),
      own?.adjusted.toPrecision(2) ?? NOTHING,
      own?.verdict ?? NOTHING,
    ];
  });
  const paper = columns.map(({ strategies }) => share(paperMean(study, strategies)));
  const paperRow = ['DRF in the paper', ...paper, ...Array<string>(4).fill(NOTHING)];
  const name = systemName(reference);
  return {
    caption: `Mean accuracy, in percent, and ${name} less each other method on the mean over cells with disruptions`,
    head: [
      'method',
      ...columns.map((own) => own.name),
      `${name} less it`,
      '95 % interval',
      'p, corrected',
      `${name} is`,
    ],
    rows: [...rows, ...(paper.every((text) => text === NOTHING) ? [] : [paperRow])],
  };
}

/** Mean accuracy over modality-random cells of models that were trained at the same ratio. */
function matchedMean(study: Study, system: System): number | null {
  const own = study.cells.filter((cell) => systemName(cell) === systemName(system) && isMatched(cell));
  return own.length === 0 ? null : own.reduce((sum, { accuracy }) => sum + accuracy, 0) / own.length;
}

/** Systems other than the reference by a figure, the highest first. */
function ranked(study: Study, reference: System, figure: (system: System) => number | null) {
  return methodsOf(study, reference.method)
    .slice(1)
    .flatMap((system) => {
      const value = figure(system);
      return value === null ? [] : [{ name: systemName(system), value }];
    })
    .sort((one, other) => other.value - one.value);
}

function disruptionLine(study: Study, reference: System): string {
  const said = DISRUPTED.slice(1).flatMap(({ name, strategies }) => {
    const own = meanAccuracy(study, reference, strategies);
    const [best] = ranked(study, reference, (other) => meanAccuracy(study, other, strategies));
    if (own === null) return [];
    const next = best === undefined ? '' : ` (best of the others: ${best.name} with ${percent(best.value)} %)`;
    return [`with the ${name} ${percent(own)} %${next}`];
  });
  const intact = meanAccuracy(study, reference, [CLEAN]);
  return `Trained on intact posts, ${systemName(reference)} answers ${share(intact)} % of intact posts rightly, ${said.join(', ')}.`;
}

function robustnessLine(study: Study, reference: System): string {
  const curve = (system: System) => curveOf(study, system, 'C+D');
  const [lost, others] = [
    curve(reference).drop,
    ranked(study, reference, (system) => curve(system).drop?.mean ?? null),
  ];
  if (lost === null) {
    const [first, last] = [curve(reference).points[0], curve(reference).points.at(-1)];
    const [from, to] = [first?.accuracy.mean ?? null, last?.accuracy.mean ?? null];
    return `Each ratio has its own models: ${systemName(reference)} answers ${share(from)} % of intact posts rightly, and ${share(to)} % at dr = ${last?.ratio}.`;
  }
  const [most, least] = [others[0], others.at(-1)];
  const points = (value: number): string => (100 * value).toFixed(1);
  const beside = most === undefined || least === undefined ? '' : `, the others between ${points(least.value)} (${least.name}) and ${points(most.value)} (${most.name})`; // prettier-ignore
  const paper = paperDrop(study.dataset, 'C+D');
  const there = paper === null ? '' : `; in the paper DRF loses ${points(paper.drf)}, the others between ${paper.others.map(points).join(' and ')}`; // prettier-ignore
  return `From dr = 0.2 to 1, each trained at the same dr, ${systemName(reference)} loses ${points(lost.mean)} points of accuracy${beside}${there}.`;
}

function differenceLine(means: readonly Comparison[]): string {
  const said = (['better', 'worse', null] as const).flatMap((verdict) => {
    const names = means.filter((own) => own.verdict === verdict).map(({ second }) => systemName(second));
    if (names.length === 0) return [];
    return [`${verdict === null ? 'not shown to differ from' : `${verdict} than`} ${names.join(', ')}`];
  });
  const [one] = means;
  const counts = means.map(({ cells }) => cells.length);
  const [fewest, most] = [Math.min(...counts), Math.max(...counts)];
  const cells = fewest === most ? fewest : `${fewest} to ${most}`; // as many as both have been judged on
  return `Over ${cells} cells together, ${one === undefined ? '' : systemName(one.first)} is ${said.join('; ')}.`;
}

/** A document with the part between the marks replaced; at the end where it has none. */
export function replacePart(document: string, part: string): string {
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (begin >= 0 && end > begin) return document.slice(0, begin) + part + document.slice(end + END.length);
  const before = document.trimEnd();
  return `${before}${before === '' ? '' : '\n\n'}${part}\n`;
}
