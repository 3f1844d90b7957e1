import { studiesOf } from '../statistics/compare-systems.js';
import { aurocTable, COMPARISON_LINE, comparisonRows, paperTables } from '../statistics/tables.js';
import { PAPER_LINE } from '../sections.js';
import { referenceOf, verdictLine } from '../report/report.js';
import type { ResultStore } from '../store/read.js';
import type { TableData } from '../tables.js';

export const BEGIN = '<!-- written by pnpm eval results; changes by hand are lost -->';
export const END = '<!-- end of what pnpm eval results writes -->';

/** A store's tables as Markdown, every number from the store. @param command how it is written, for the reader */
export function resultsMarkdown(store: ResultStore, command: string, reference?: string): string {
  const { trainings, versions } = store.summary();
  const parts = studiesOf(store).flatMap((study) => {
    const own = referenceOf(study, reference);
    const seeds = [...new Set(study.cells.map(({ seed }) => seed))].sort((a, b) => a - b);
    return [
      `## ${study.experiment}, split ${study.split}`,
      `Data set ${study.dataset}, ${study.cells[0]?.posts ?? 0} posts judged, seeds ${seeds.join(', ')}. ${PAPER_LINE}`,
      ...paperTables(store, study, own).flatMap(({ heading, lines, tables, comparisons }) => [
        `### ${heading}`,
        ...lines,
        ...tables.map(markdownTable),
        ...(comparisons.length === 0
          ? []
          : [
              `${verdictLine(comparisons)} ${COMPARISON_LINE}`,
              markdownTable(comparisonRows('Paired comparisons', comparisons)),
            ]),
      ]),
      ...sectionOf('### Quality as a detector of corruption', aurocTable(study).map(markdownTable)),
    ];
  });
  const origin = `${trainings} trainings, code ${versions.map((version) => `\`${version.slice(0, 12)}\``).join(', ')}. Written by:`;
  return [BEGIN, origin, `\`\`\`sh\n${command}\n\`\`\``, ...parts, END].join('\n\n');
}

function sectionOf(heading: string, tables: readonly string[]): string[] {
  return tables.length === 0 ? [] : [heading, ...tables];
}

function markdownTable({ caption, head, rows }: TableData): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const rule = head.map((_, i) => (i === 0 ? '---' : '--:'));
  return `**${caption}**\n\n${[head, rule, ...rows].map(line).join('\n')}`;
}

/** A document with the part between the marks replaced; at the end where it has none. */
export function replacePart(document: string, part: string): string {
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (begin >= 0 && end > begin) return document.slice(0, begin) + part + document.slice(end + END.length);
  const before = document.trimEnd();
  return `${before}${before === '' ? '' : '\n\n'}${part}\n`;
}
