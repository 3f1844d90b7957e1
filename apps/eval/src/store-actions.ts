import { readFile } from 'node:fs/promises';
import { join, parse, relative, sep } from 'node:path';
import { formatStrategy } from '@drf/disruption';
import {
  buildReport,
  formatCell,
  lockGrid,
  mergeStores,
  replacePart,
  ResultStore,
  resultsPage,
  shownPath,
  startStages,
  STORE_NAME,
  tablesText,
  writeCharts,
  type MergeOutcome,
  type RepeatedCell,
} from '@drf/evaluation';
import { writeFileAtomic } from '@drf/files';
import { formatTable, spell } from '@drf/terminal';
import type { MergeFlags, ReportFlags, ResultsFlags } from './flags.js';

/** `drf eval report`. */
export async function reportAction(path: string, flags: ReportFlags): Promise<void> {
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

/** `drf eval results`. */
export async function resultsAction(path: string, flags: ResultsFlags): Promise<void> {
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
  const { format, resolveConfig } = await import('prettier'); // which nothing else needs
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

/** `drf eval merge`. */
export async function mergeAction(stores: readonly string[], { out, json }: MergeFlags): Promise<void> {
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
