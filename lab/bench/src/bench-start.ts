import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { UnavailableError } from '@drf/tensor';
import { lastLines } from '@drf/terminal';
import { median } from './measure.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const BUILT = join(ROOT, 'packages', 'drf', 'dist');

/** Seconds of the clock and of the processor since a process started. */
interface Elapsed {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** How long a command was silent. */
export interface StartTime extends Elapsed {
  /** What stands after `drf`. */
  readonly command: string;
  /** What was waited for: the help, or the first line of work. */
  readonly until: 'help' | 'work';
  /** Of the clock, as many as are wanted at most on a quiet machine. */
  readonly wantedSeconds: number;
}

export interface StartOptions {
  /** Measurements of each, of which the median counts. */
  readonly tries: number;
  /** Called before each measurement with the command. */
  readonly onStart?: (command: string, done: number, total: number) => void;
}

const WANTED = { help: 0.5, work: 1.5 } as const;

/** In the measured process: says on descriptor 3 when it first writes to standard output or error. */
const CLOCK = `data:text/javascript,${encodeURIComponent(`
  import { writeSync } from 'node:fs';
  let isOver = false;
  for (const stream of [process.stdout, process.stderr]) {
    const write = stream.write;
    stream.write = function (...args) {
      if (!isOver) {
        isOver = true;
        const { user, system } = process.cpuUsage();
        writeSync(3, JSON.stringify({ seconds: performance.now() / 1000, cpuSeconds: (user + system) / 1e6 }));
      }
      return write.apply(this, args);
    };
  }
`)}`;

/**
 * Runs a command until it first prints something.
 * @param runsOn waits for its end as well; a command that would never end is killed otherwise
 * @throws UnavailableError with what it printed where it fails
 */
function untilFirstLine(words: readonly string[], runsOn: boolean): Promise<Elapsed> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', CLOCK, join(BUILT, 'bin.js'), ...words], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] }); // prettier-ignore
    let printed = '';
    let said = '';
    const [, output, errors, clock] = child.stdio;
    for (const stream of [output, errors]) stream?.on('data', (text: Buffer) => (printed = (printed + text.toString()).slice(-10_000))); // prettier-ignore
    clock?.on('data', (text: Buffer) => {
      said += text.toString();
      if (!runsOn) child.kill('SIGKILL');
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (said !== '' && (code === 0 || !runsOn)) return resolve(JSON.parse(said) as Elapsed);
      const received = `exit code ${code}: ${lastLines(printed)}`;
      reject(new UnavailableError({ subject: `drf ${words.join(' ')}`, expected: 'to print something and to end well', received, remedy: 'build first: pnpm build' })); // prettier-ignore
    });
  });
}

/** The smallest work of each command that does any without a server elsewhere; the first ones make what the others take. */
function workOf(folder: string): readonly (readonly string[])[] {
  const at = (name: string): string => join(folder, name);
  const posts = join(at('posts'), 'posts.csv');
  const cache = ['--cache', at('cache')];
  return [
    ['data', 'sample', '--out', at('posts')],
    ['data', 'inspect', '--dataset', 'posts', '--file', posts],
    ['train', 'quickstart-smoke', '--out', at('run'), ...cache],
    ['tune', 'quickstart-smoke', '--trainings', '2', '--out', at('tuned'), ...cache],
    ['eval', at('run'), '--cells', 'clean', ...cache],
    ['grid', 'table-1', '--data', posts, '--out', at('grid'), '--dry-run', ...cache],
    ['predict', at('run'), '--text', 'What a day!'],
    ['serve', at('run'), '--port', '0', '--no-page'],
    ['export', at('run'), '--out', at('exported')],
    ['embed', posts, '--out', at('features.parquet'), ...cache],
    ['page', '--out', at('page')],
    ['doctor'],
  ];
}

/** What is made again in every try stands in the way of the next. */
const outputOf = (words: readonly string[]): string | undefined => words[words.indexOf('--out') + 1 || words.length];

/** Names of all commands, by the program as it is built. */
async function commandNames(): Promise<readonly string[]> {
  const built: { readonly COMMAND_NAMES: readonly string[] } = await import(
    pathToFileURL(join(BUILT, 'commands.js')).href
  );
  return built.COMMAND_NAMES;
}

/**
 * How long each command, as it is built, takes until its help stands there, and until it first says something of a small
 * piece of real work.
 * @throws UnavailableError where nothing is built
 */
export async function measureStarts({ tries, onStart }: StartOptions): Promise<StartTime[]> {
  const commands = await commandNames();
  const folder = await mkdtemp(join(tmpdir(), 'drf-bench-start-'));
  const helps = [[], ...commands.map((name) => [name])].map((words) => ({ words: [...words, '--help'], until: 'help' as const })); // prettier-ignore
  const all = [...helps, ...workOf(folder).map((words) => ({ words, until: 'work' as const }))];
  const times: StartTime[] = [];
  try {
    for (const { words, until } of all) {
      const command = words.join(' ').replaceAll(`${folder}/`, '');
      onStart?.(command, times.length, all.length);
      const measured: Elapsed[] = [];
      for (let i = 0; i < tries; i++) {
        const out = outputOf(words);
        if (out !== undefined) await rm(out, { recursive: true, force: true });
        measured.push(await untilFirstLine(words, words[0] !== 'serve' || until === 'help'));
      }
      const [seconds, cpuSeconds] = (['seconds', 'cpuSeconds'] as const).map((key) => median(measured.map((each) => each[key]))); // prettier-ignore
      times.push({ command, until, seconds: seconds as number, cpuSeconds: cpuSeconds as number, wantedSeconds: WANTED[until] }); // prettier-ignore
    }
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  return times;
}
