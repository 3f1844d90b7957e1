import { studiesOf } from '../statistics/compare-systems.js';
import { COMPARISON_LINE, comparisonRows } from '../statistics/comparison-tables.js';
import type { OnProgress } from '../statistics/stages.js';
import { aurocTable, paperTables } from '../statistics/tables.js';
import { FOLDS_LINE, isPooled } from '../store/pool-folds.js';
import type { Chart } from '../report/chart.js';
import { referenceOf, storedPaperLine, tableCharts, verdictLine, waitingLine } from '../report/report.js';
import type { ResultStore } from '../store/result-store.js';
import type { TableData } from '../tables.js';

export const BEGIN = '<!-- written by pnpm eval results; changes by hand are lost -->';
export const END = '<!-- end of what pnpm eval results writes -->';

export interface MarkdownOptions {
  /** The method that the others are compared with; default as in the report. */
  readonly reference?: string;
  readonly onProgress?: OnProgress;
  /** Takes a chart in, and says where the document finds it; without this there are no charts. */
  readonly onChart?: (chart: Chart) => string;
}

/** A store's tables as Markdown, every number from the store. @param command how it is written, for the reader */
export function resultsMarkdown(
  store: ResultStore,
  command: string,
  { reference, onChart, onProgress }: MarkdownOptions = {},
): string {
  const { trainings, versions } = store.summary();
  const studies = studiesOf(store);
  const parts = studies.flatMap((study) => {
    const own = referenceOf(study, reference);
    const prefix = studies.length === 1 ? '' : `${study.experiment}-${study.split}-`;
    const charts = onChart === undefined ? {} : tableCharts(study, own);
    const images = (id: string): string[] =>
      (charts[id] ?? []).map((chart) => {
        const path = onChart?.({ ...chart, name: prefix + chart.name }) ?? '';
        return `![${chart.description}](${path})`;
      });
    const seeds = [...new Set(study.cells.map(({ seed }) => seed))].sort((a, b) => a - b);
    return [
      `## ${study.experiment}, split ${study.split}`,
      `Data set ${study.dataset}, ${study.cells[0]?.posts ?? 0} posts judged, seeds ${seeds.join(', ')}. ${storedPaperLine(store, [study])}`,
      ...(study.cells.some(isPooled) ? [FOLDS_LINE] : []),
      ...paperTables(store, study, own, onProgress).flatMap(({ id, heading, lines, tables, comparisons }) => [
        `### ${heading}`,
        ...lines,
        ...images(id),
        ...tables.map(markdownTable),
        ...(comparisons.length === 0
          ? []
          : [
              verdictLine(comparisons),
              folded('Each comparison', [
                COMPARISON_LINE,
                markdownTable(comparisonRows('Paired comparisons', comparisons)),
              ]),
            ]),
      ]),
      ...sectionOf('### Quality as a detector of corruption', aurocTable(study)),
    ];
  });
  const origin = `${trainings} trainings, code ${versions.map((version) => `\`${version}\``).join(', ')}. Written by:`;
  const waiting = store.waiting === 0 ? [] : [`Note: ${waitingLine(store)}.`];
  return [BEGIN, origin, `\`\`\`sh\n${command}\n\`\`\``, ...waiting, ...parts, END].join('\n\n');
}

function sectionOf(heading: string, tables: readonly TableData[]): string[] {
  return tables.length === 0 ? [] : [heading, folded('AUROC of every cell', tables.map(markdownTable))];
}

/** Columns as wide as their widest cell, as Prettier would have them: the first to the left, figures to the right. */
function markdownTable({ caption, head, rows }: TableData): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => row[column]?.length ?? 0)));
  const padded = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number))).join(' | ')} |`;
  const rule = `| ${widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  const [first, ...others] = cells.map(padded);
  return `**${caption}**\n\n${[first, rule, ...others].join('\n')}`;
}

/** What not every reader wants to see. */
function folded(summary: string, parts: readonly string[]): string {
  return ['<details>', `<summary>${summary}</summary>`, ...parts, '</details>'].join('\n\n');
}

/** A document with the part between the marks replaced; at the end where it has none. */
export function replacePart(document: string, part: string): string {
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (begin >= 0 && end > begin) return document.slice(0, begin) + part + document.slice(end + END.length);
  const before = document.trimEnd();
  return `${before}${before === '' ? '' : '\n\n'}${part}\n`;
}
