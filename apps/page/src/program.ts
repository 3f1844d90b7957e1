import { cp, readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ConfigurationError, refuser, UnavailableError } from '@drf/tensor';
import { createProgram, formatTable, type Command, spell } from '@drf/terminal';
import { builtPage } from './built-page.js';

interface ProgramOptions {
  readonly out?: string;
  readonly model?: string;
  readonly json?: boolean;
}

/** A file of the page. */
export interface PageFile {
  readonly file: string;
  readonly bytes: number;
  /** As it goes over the wire where the server compresses. */
  readonly gzipBytes: number;
}

/**
 * The command that writes the page.
 * @param print takes text for standard output
 * @param site folder of the built page
 */
export function createPageProgram(
  print: (text: string) => void = (text) => void process.stdout.write(text),
  site: string | undefined = builtPage(),
): Command {
  const program = createProgram('page', 'Writes the page as static files, for any web server.', [
    [spell('page --out site'), 'the page alone, and how large its files are'],
    [spell('page --out site --model exported'), 'with an exported model: judges in the browser, without a service'],
  ]); // prettier-ignore
  return program
    .option('--out <folder>', 'a new or empty folder to write (required)')
    .option('--model <folder>', 'an exported folder to put beside it, as model/')
    .option('--json', 'print the files as JSON')
    .action(async ({ out, model, json }: ProgramOptions) => {
      if (out === undefined) return program.error("error: required option '--out <folder>' not specified");
      await assertEmpty(out);
      if (model !== undefined) await (await import('@drf/judge')).readCard(model); // before any work
      await cp(built(site), out, { recursive: true });
      const files = await measure(out);
      if (model !== undefined) await cp(model, join(out, 'model'), { recursive: true });
      print(json === true ? `${JSON.stringify(files, null, 2)}\n` : table(files));
    });
}

/** @throws UnavailableError in a workspace that was not built */
function built(site: string | undefined): string {
  if (site !== undefined) return site;
  throw refuser(UnavailableError, 'page')('the built page', 'none', `run ${spell('build')}`);
}

/** @throws ConfigurationError when files are there, which would be lost */
async function assertEmpty(out: string): Promise<void> {
  const present = await readdir(out).catch(() => []);
  if (present.length === 0) return;
  throw refuser(ConfigurationError, `Output folder ${out}`)(
    'a new or empty folder',
    `files (${present.slice(0, 3).join(', ')})`,
    'choose another --out, or empty it',
  );
}

/** Files of a folder with their sizes, by path. */
async function measure(folder: string): Promise<readonly PageFile[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  return Promise.all(
    paths.sort().map(async (path) => {
      const content = await readFile(path);
      const file = relative(folder, path).split(sep).join('/');
      return { file, bytes: content.length, gzipBytes: gzipSync(content).length };
    }),
  );
}

function table(files: readonly PageFile[]): string {
  const rows = files.map(({ file, bytes, gzipBytes }) => [file, bytes, gzipBytes]);
  return `${formatTable(['file', 'bytes', 'gzip'], rows)}\n`;
}
