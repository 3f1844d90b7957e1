import { readFile } from 'node:fs/promises';
import { writeFileAtomic } from '@drf/files';
import { Command, withExamples } from '@drf/terminal';
import { format, resolveConfig } from 'prettier';
import { ResultStore } from '../store/read.js';
import { replacePart, resultsMarkdown } from './markdown.js';

interface ResultsFlags {
  readonly out?: string;
  readonly reference?: string;
}

/** `pnpm eval results`. */
export function createResultsCommand(): Command {
  const command = new Command('results')
    .description('Writes a result store’s tables as Markdown, between marks: what stands around them stays.')
    .argument('<store>', 'folder of a grid, or its store')
    .option('--out <file>', 'the document (default: standard output)')
    .option('--reference <method>', 'method that the others are compared with (default: drf)');
  withExamples(command, [['pnpm eval results runs/grid --out docs/results.md', 'rewrites the part between the marks']]);
  return command.action((path: string, flags: ResultsFlags) => resultsAction(path, flags));
}

async function resultsAction(path: string, { out, reference }: ResultsFlags): Promise<void> {
  const store = new ResultStore(path);
  try {
    const options = [
      ...(out === undefined ? [] : [`--out ${out}`]),
      ...(reference === undefined ? [] : [`--reference ${reference}`]),
    ];
    const part = resultsMarkdown(store, ['pnpm eval results', path, ...options].join(' '), reference);
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
    store.close();
  }
}
