import { readFile } from 'node:fs/promises';
import { join, parse, relative, sep } from 'node:path';
import { formatStrategy } from '@drf/disruption';
import {
  buildReport,
  formatCell,
  lockGrid,
  mergeStores,
  PROJECTIONS,
  replacePart,
  ResultStore,
  resultsPage,
  shownPath,
  startStages,
  STORE_NAME,
  tablesText,
  writeCharts,
  type MergeOutcome,
  type Projection,
  type RepeatedCell,
} from '@drf/evaluation';
import { writeFileAtomic } from '@drf/files';
import { Command, formatTable, oneOf, wholeNumber, withExamples, spell } from '@drf/terminal';
import { format, resolveConfig } from 'prettier';

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

/** `drf eval report`. */
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
    [spell('eval report runs/grid --out report.html'), 'the page, and the charts in report-charts/'],
    [spell('eval report runs/grid --reference drf-paper --details'), 'compared with another method'],
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
      process.stdout.write(`${JSON.stringify({ page: flags.out, charts, notes, tables: report.tables }, null, 2)}\n`);
      return;
    }
    if (flags.quiet !== true) process.stdout.write(tablesText(report.tables, flags.details === true));
    for (const note of notes) process.stderr.write(`note: ${note}\n`);
    process.stdout.write(`Page:   ${shownPath(flags.out)}\n`);
    if (charts.length > 0) process.stdout.write(`Charts: ${charts.length} files in ${shownPath(folder)}\n`);
  } finally {
    store.close();
  }
}

interface ResultsFlags {
  readonly out: string;
  readonly reference?: string;
  readonly tables?: string;
  readonly charts?: string;
}

/** `drf eval results`. */
export function createResultsCommand(): Command {
  const command = new Command('results')
    .description('Writes a result store as a page of Markdown, between marks: what stands around them stays.')
    .argument('<store>', 'folder of a grid, or its store')
    .option('--out <file>', 'the page', 'results.md')
    .option('--reference <method>', 'method that the others are compared with (default: drf)')
    .option('--tables <folder>', 'the tables, a file each (default: a folder called as the page)')
    .option('--charts <folder>', 'the charts, as SVG (default: charts, beside the page)');
  withExamples(command, [
    [spell('eval results runs/grid --out docs/results.md'), 'rewrites the part between the marks, and docs/results/'],
  ]);
  return command.action((path: string, flags: ResultsFlags) => resultsAction(path, flags));
}

async function resultsAction(path: string, flags: ResultsFlags): Promise<void> {
  const { out, reference } = flags;
  const { dir, name } = parse(out);
  const { tables = join(dir, name), charts = join(dir, 'charts') } = flags;
  const options = (['out', 'tables', 'charts', 'reference'] as const).flatMap((flag) =>
    flags[flag] === undefined ? [] : [`--${flag} ${flags[flag]}`],
  );
  const link = (from: string, to: string): string => relative(from, to).split(sep).join('/') || '.';
  const stages = startStages('comparisons');
  const store = new ResultStore(path, 'read');
  try {
    const page = resultsPage(store, {
      command: [spell('eval results'), path, ...options].join(' '),
      reference,
      onProgress: stages.onProgress,
      tables: link(dir, tables),
      charts: link(dir, charts),
      chartsFromTables: link(tables, charts),
      pageFromTables: link(tables, out),
    });
    stages.stop();
    for (const { name: chart, svg } of page.charts) await writeFileAtomic(join(charts, `${chart}.svg`), `${svg}\n`);
    for (const { file, markdown } of page.tables) await writeMarkdown(join(tables, file), markdown);
    await writeMarkdown(out, replacePart(await readText(out), page.part));
    process.stdout.write(`Written: ${out}, ${page.tables.length} tables in ${tables}, ${page.charts.length} charts in ${charts}\n`); // prettier-ignore
  } finally {
    stages.stop();
    store.close();
  }
}

async function writeMarkdown(path: string, text: string): Promise<void> {
  const style = await resolveConfig(path);
  await writeFileAtomic(path, await format(text, { ...style, parser: 'markdown' }));
}

/** Nothing of a file that is not there. */
async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
}

interface MergeFlags {
  readonly out: string;
  readonly json?: boolean;
}

/** `drf eval merge`. */
export function createMergeCommand(): Command {
  const command = new Command('merge')
    .description('Copies result stores into one: a grid that several machines shared, or versions of the code.')
    .argument('<stores...>', 'folders of grids, or their stores')
    .requiredOption('--out <folder>', 'folder of the store to fill; what it has stays')
    .option('--json', 'print the outcome as JSON');
  withExamples(command, [
    [spell('eval merge runs/grid-a runs/grid-b --out runs/grid'), 'a store that report and results read'],
  ]);
  return command.action((stores: string[], flags: MergeFlags) => mergeAction(stores, flags));
}

async function mergeAction(stores: readonly string[], { out, json }: MergeFlags): Promise<void> {
  const path = join(out, STORE_NAME);
  const lock = await lockGrid(out);
  try {
    const outcome = mergeStores(path, stores);
    process.stdout.write(
      json === true
        ? `${JSON.stringify({ ...outcome, again: outcome.again.map(texts) }, null, 2)}\n`
        : mergeText(outcome, path),
    );
  } finally {
    await lock.release();
  }
}

function mergeText({ trainings, cells, known, again }: MergeOutcome, path: string): string {
  const there = known === 0 ? '' : `; ${known} cells were there`;
  const lines = [`Taken:   ${trainings} trainings, ${cells} cells${there}.`];
  if (again.length > 0) {
    const same = again.filter(({ differing }) => differing === 0).length;
    lines.push(`Twice:   ${again.length} cells, by other code or options; the newest counts. In ${same} every post has the same probabilities.`); // prettier-ignore
  }
  const different = again.filter(({ differing }) => differing > 0);
  if (different.length > 0) lines.push(differenceTable(different));
  return [...lines, `Store:   ${shownPath(path)}`, ''].join('\n');
}

function differenceTable(cells: readonly RepeatedCell[]): string {
  return formatTable(
    ['method', 'without', 'trained on', 'seed', 'cell', 'posts that differ'],
    cells.map(texts).map(({ method, without, trainedOn, seed, name, differing }) => [method, without ?? '', trainedOn, seed, name, differing]), // prettier-ignore
  );
}

function texts({ testedOn, trainedOn, ...cell }: RepeatedCell) {
  return { ...cell, trainedOn: formatStrategy(trainedOn), name: formatCell({ testedOn }) };
}
