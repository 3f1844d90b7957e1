import { join, parse } from 'node:path';
import { writeFileAtomic } from '@drf/files';
import { Command, formatTable, oneOf, wholeNumber, withExamples } from '@drf/terminal';
import { formatStrategy } from '@drf/disruption';
import { formatCell, shownPath } from '@drf/evaluation';
import { ResultStore } from '@drf/evaluation';
import type { SystemComparison } from '@drf/evaluation';
import { startStages } from '@drf/evaluation';
import { comparisonRows } from '@drf/evaluation';
import { PROJECTIONS, type Projection } from '@drf/evaluation';
import { buildReport, verdictLine, writeCharts, type Report } from '@drf/evaluation';

interface ReportFlags {
  readonly out: string;
  readonly reference?: string;
  readonly projection: Projection;
  readonly posts: number;
  readonly charts: boolean;
  readonly details?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** `pnpm eval report`. */
export function createReportCommand(): Command {
  const command = new Command('report')
    .description('Shows a result store: tables here, and a page in one file with charts and posts.')
    .argument('<store>', 'folder of a grid, or its store')
    .option('--out <file>', 'the page', 'report.html')
    .option('--reference <method>', 'method that the others are compared with (default: drf)')
    .option('--projection <name>', `how Figure 6 is drawn: ${PROJECTIONS.join(', ')}`, oneOf(PROJECTIONS), 't-sne')
    .option('--posts <count>', 'posts to show of each cell', wholeNumber(0, 200), 8)
    .option('--no-charts', 'no SVG and PNG files of the charts (they go to FILE-charts/)')
    .option('--details', 'print every comparison')
    .option('--quiet', 'print no tables')
    .option('--json', 'print tables and comparisons as JSON');
  withExamples(command, [
    ['pnpm eval report runs/grid --out report.html', 'the page, and the charts in report-charts/'],
    ['pnpm eval report runs/grid --reference drf-paper --details', 'compared with another method'],
  ]);
  return command.action((path: string, flags: ReportFlags) => reportAction(path, flags));
}

async function reportAction(path: string, flags: ReportFlags): Promise<void> {
  const store = new ResultStore(path, 'read');
  try {
    const notes: string[] = [];
    const { reference, posts, projection } = flags;
    const stages = startStages('steps', flags.quiet === true || flags.json === true);
    const { onProgress } = stages;
    const onNote = (note: string): void => void notes.push(note);
    const report = await buildReport(store, { reference, posts, projection, onNote, onProgress }).finally(stages.stop);
    await writeFileAtomic(flags.out, report.html);
    const { dir, name } = parse(flags.out);
    const folder = join(dir, `${name}-charts`);
    const charts = flags.charts ? await writeCharts(report.charts, folder) : [];
    if (flags.json === true) {
      process.stdout.write(
        `${JSON.stringify({ page: flags.out, charts, notes, tables: report.tables.map(asJson) }, null, 2)}\n`,
      );
      return;
    }
    if (flags.quiet !== true) process.stdout.write(reportText(report, flags.details === true));
    for (const note of notes) process.stderr.write(`note: ${note}\n`);
    process.stdout.write(`Page:   ${shownPath(flags.out)}\n`);
    if (charts.length > 0) process.stdout.write(`Charts: ${charts.length} files in ${shownPath(folder)}\n`);
  } finally {
    store.close();
  }
}

/** A table with its cells as text. */
function asJson({ comparisons, ...table }: Report['tables'][number]) {
  return {
    ...table,
    comparisons: comparisons.map(({ testedOn, trainedOn, ...own }) => ({
      ...own,
      cell: formatCell({ testedOn }),
      trainedOn: formatStrategy(trainedOn),
    })),
  };
}

/** The tables for a terminal; of the comparisons what they show, or all. */
export function reportText({ tables }: Report, details: boolean): string {
  return tables
    .flatMap(({ heading, lines, tables: own, comparisons }) => [
      `== ${heading}`,
      ...lines,
      ...own.map(({ caption, head, rows }) => `${caption}\n${formatTable(head, rows)}`),
      ...(comparisons.length === 0 ? [] : [verdictLine(comparisons)]),
      ...(details && comparisons.length > 0 ? [detailedTable(comparisons)] : []),
      '',
    ])
    .map((line) => `${line}\n`)
    .join('');
}

function detailedTable(comparisons: readonly SystemComparison[]): string {
  const { head, rows } = comparisonRows('', comparisons);
  return formatTable(head, rows);
}
