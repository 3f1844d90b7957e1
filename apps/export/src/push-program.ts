import { homedir } from 'node:os';
import { join } from 'node:path';
import type { PushResult } from '@drf/export';
import { readBounded } from '@drf/files';
import {
  collect,
  createProgram,
  EXIT,
  ExitRequest,
  formatTable,
  interruptSignal,
  startProgress,
  type Command,
  type Progress,
  spell,
} from '@drf/terminal';

interface PushProgramOptions {
  readonly private?: boolean;
  readonly revision: string;
  readonly message?: string;
  readonly license?: string;
  readonly include?: readonly string[];
  readonly tokenFile?: string;
  readonly endpoint?: string;
  readonly dryRun?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** The command `push`. @param print takes text for standard output */
export function createPushProgram(print: (text: string) => void = (text) => void process.stdout.write(text)): Command {
  return createProgram(
    'push',
    'Sends a run, an export or an ensemble to a repository of the Hugging Face hub: what judging needs, and its model card.',
    [
      [spell('push exported me/my-model --dry-run'), 'what would be sent, and what stays here; asks nobody'],
      [`HF_TOKEN=hf_… ${spell('push exported me/my-model')}`, 'sends it; the repository is made if it is not there'],
      [spell('push runs/quickstart me/my-model --private --token-file token.txt'), 'a run, into a private repository'],
      [spell('push exported me/my-model --revision v2 --message "More posts"'), 'onto a branch'],
    ],
  )
    .argument('<folder>', 'a trained run, an exported folder, or an ensemble of these')
    .argument('<repository>', 'owner/name on the hub')
    .option('--private', 'make the repository private (one that is there stays as it is)')
    .option('--revision <branch>', 'branch; one that is not there is made from main', 'main')
    .option('--message <text>', 'message of the commit')
    .option('--license <id>', 'license of the weights for the model card, such as apache-2.0 or cc-by-nc-4.0')
    .option('--include <file>', 'a further file of the folder, such as report.html (repeat for more)', collect)
    .option('--token-file <file>', 'file with the token (default: HF_TOKEN, else what hf auth login wrote)')
    .option('--endpoint <url>', 'the hub, or a mirror of it (default: HF_ENDPOINT, else https://huggingface.co)')
    .option('--dry-run', 'say what would be sent, and ask nobody')
    .option('--quiet', 'no progress')
    .option('--json', 'print the result as JSON; no progress')
    .action(async (folder: string, repository: string, options: PushProgramOptions) => {
      const { quiet = false, json = false, dryRun = false, private: isPrivate = false } = options;
      const silent = quiet || json;
      const interrupt = interruptSignal(() => void (silent || process.stderr.write('\nStopping …\n')));
      const endpoint = options.endpoint ?? (process.env['HF_ENDPOINT'] || undefined);
      let progress: Progress | undefined;
      try {
        const { pushModel } = await import('@drf/export'); // late: help and wrong options take no time
        const result = await pushModel(folder, repository, {
          token: dryRun ? undefined : await readToken(options.tokenFile),
          endpoint,
          revision: options.revision,
          message: options.message,
          license: options.license,
          isPrivate,
          include: options.include,
          dryRun,
          signal: interrupt.signal,
          onProgress: ({ bytes, totalBytes, file }) => {
            progress ??= startProgress({ label: 'Sending', total: totalBytes, unit: 'bytes', silent });
            progress.update(bytes, file);
          },
        });
        progress?.stop();
        print(json ? `${JSON.stringify(result)}\n` : summary(result, dryRun));
      } catch (error) {
        progress?.stop();
        if (!interrupt.signal.aborted) throw error;
        if (!json) print('Stopped; nothing was committed. Large files that were sent are not sent again.\n');
        throw new ExitRequest(EXIT.interrupted);
      } finally {
        interrupt.release();
      }
    });
}

const LONGEST_TOKEN = 4096;

/** The token of a file, of the environment, or the one that the hub's own program keeps. */
async function readToken(file: string | undefined): Promise<string | undefined> {
  const read = async (path: string): Promise<string> =>
    (await readBounded(path, LONGEST_TOKEN)).toString('utf8').trim();
  if (file !== undefined) return read(file);
  const { HF_TOKEN, HF_TOKEN_PATH, HF_HOME, XDG_CACHE_HOME } = process.env;
  if (HF_TOKEN) return HF_TOKEN.trim();
  const home = HF_HOME || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface');
  return read(HF_TOKEN_PATH || join(home, 'token')).catch(() => undefined);
}

const SHOWN = 10;

function summary(result: PushResult, dryRun: boolean): string {
  const { sent, unchanged, leftOut, notes, commit, url, revision } = result;
  const lines: string[] = [];
  if (sent.length > 0) {
    const head = [dryRun ? 'would be sent' : 'sent', 'kB'];
    lines.push(formatTable(head, sent.map(({ path, bytes }) => [path, Math.ceil(bytes / 1000)]))); // prettier-ignore
  }
  if (unchanged.length > 0) lines.push(`There already: ${unchanged.join(', ')}`);
  if (leftOut.length > 0) {
    const more = leftOut.length > SHOWN ? `, and ${leftOut.length - SHOWN} more` : '';
    lines.push(`Not sent: ${leftOut.slice(0, SHOWN).join(', ')}${more}`);
  }
  lines.push(...notes.map((note) => `note: ${note}`));
  if (dryRun) lines.push('Nothing was sent (--dry-run).');
  else if (commit === null) lines.push(`Nothing to do: ${url} (${revision}) has all of it.`);
  else lines.push(`Commit ${commit} on ${revision}: ${url}`);
  return `${lines.join('\n')}\n`;
}
