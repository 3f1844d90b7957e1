import { readFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { writeFileAtomic } from '@drf/files';
import { Command, withExamples } from '@drf/terminal';
import { format, resolveConfig } from 'prettier';
import type { Chart } from '@drf/evaluation';
import { chartFile } from '@drf/evaluation';
import { startStages } from '@drf/evaluation';
import { ResultStore } from '@drf/evaluation';
import { replacePart, resultsMarkdown } from '@drf/evaluation';

interface ResultsFlags {
  readonly out?: string;
  readonly reference?: string;
  readonly charts?: string;
}

/** `pnpm eval results`. */
export function createResultsCommand(): Command {
  const command = new Command('results')
    .description('Writes a result store’s tables as Markdown, between marks: what stands around them stays.')
    .argument('<store>', 'folder of a grid, or its store')
    .option('--out <file>', 'the document (default: standard output)')
    .option('--reference <method>', 'method that the others are compared with (default: drf)')
    .option('--charts <folder>', 'write charts of Table 4 and Figure 5 there, as SVG, and show them in the document');
  withExamples(command, [['pnpm eval results runs/grid --out docs/results.md', 'rewrites the part between the marks']]);
  return command.action((path: string, flags: ResultsFlags) => resultsAction(path, flags));
}

const chartPath = (folder: string, { name }: Chart): string => join(folder, `${chartFile(name)}.svg`);

async function resultsAction(path: string, { out, reference, charts }: ResultsFlags): Promise<void> {
  const store = new ResultStore(path, 'read');
  const stages = startStages('comparisons');
  try {
    const options = [
      ...(out === undefined ? [] : [`--out ${out}`]),
      ...(charts === undefined ? [] : [`--charts ${charts}`]),
      ...(reference === undefined ? [] : [`--reference ${reference}`]),
    ];
    const drawn: Chart[] = [];
    const onChart = (folder: string) => (chart: Chart) => {
      drawn.push(chart);
      return relative(dirname(out ?? ''), chartPath(folder, chart))
        .split(sep)
        .join('/');
    };
    const part = resultsMarkdown(store, ['pnpm eval results', path, ...options].join(' '), {
      reference,
      onProgress: stages.onProgress,
      ...(charts === undefined ? {} : { onChart: onChart(charts) }),
    });
    stages.stop();
    for (const chart of drawn) await writeFileAtomic(chartPath(charts as string, chart), `${chart.svg}\n`);
    if (out === undefined) {
      process.stdout.write(`${part}\n`);
      return;
    }
    const document = await readFile(out, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    const style = await resolveConfig(out);
    await writeFileAtomic(out, await format(replacePart(document, part), { ...style, parser: 'markdown' }));
    process.stdout.write(`Written: ${out}\n`);
  } finally {
    stages.stop();
    store.close();
  }
}
