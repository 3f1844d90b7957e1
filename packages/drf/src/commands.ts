import { readFileSync } from 'node:fs';
import { createProgram, EXIT, runApp, spell, type Command } from '@drf/terminal';

/** A command of `drf`. */
interface Entry {
  readonly name: string;
  /** What it does, in a few words. */
  readonly summary: string;
  /** Loads its program, with nothing of the other commands. */
  readonly load: () => Promise<Command>;
  /** The command that it is a part of: `drf grid` is `drf eval grid`. */
  readonly within?: string;
}

const evaluation = async (): Promise<Command> => (await import('@drf/eval-app')).createEvalProgram();

/** Every command, in the order of the help. A line adds one. */
const COMMANDS: readonly Entry[] = [
  { name: 'train', summary: 'train a model on image-text posts', load: async () => (await import('@drf/train-app')).createTrainProgram() },
  { name: 'tune', summary: 'search the options of a training', load: async () => (await import('@drf/tune-app')).createTuneProgram() },
  { name: 'eval', summary: 'score trained runs, on intact and on disrupted posts', load: evaluation },
  { name: 'grid', summary: 'train and compare methods, seeds and disruptions side by side', load: evaluation, within: 'eval' },
  { name: 'schedule', summary: 'choose the learning schedule of every method', load: evaluation, within: 'eval' },
  { name: 'report', summary: 'show what a grid found, as tables and as a page', load: evaluation, within: 'eval' },
  { name: 'results', summary: 'write what a grid found as Markdown', load: evaluation, within: 'eval' },
  { name: 'merge', summary: 'copy the results of several grids into one', load: evaluation, within: 'eval' },
  { name: 'predict', summary: 'judge posts: one, a table, or a folder', load: async () => (await import('@drf/predict-app')).createPredictProgram() },
  { name: 'serve', summary: 'judge posts over HTTP, with a page to try it on', load: async () => (await import('@drf/serve-app')).createServeProgram() },
  { name: 'export', summary: 'write a run as standard ONNX files with a card', load: async () => (await import('@drf/export-app')).createExportProgram() },
  { name: 'embed', summary: 'write features of posts as Parquet or safetensors', load: async () => (await import('@drf/embed-app')).createEmbedProgram() },
  { name: 'push', summary: 'upload a run or an export to a model hub', load: async () => (await import('@drf/export-app')).createPushProgram() },
  { name: 'page', summary: 'write the page as static files, for any web server', load: async () => (await import('@drf/page-app')).createPageProgram() },
  { name: 'data', summary: 'inspect, split and sample data sets', load: async () => (await import('@drf/data-app')).createDataProgram() },
  { name: 'doctor', summary: 'say what works on this machine, and what to do about the rest', load: async () => (await import('@drf/doctor-app')).createDoctorProgram() },
]; // prettier-ignore

/** Names of all commands, in the order of the help. */
export const COMMAND_NAMES: readonly string[] = COMMANDS.map(({ name }) => name);

/** Of this package. */
function version(): string {
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { readonly version: string }).version;
}

/**
 * The program `drf` by itself, which knows of its commands no more than their names and what they do.
 * @param loaded commands that stand in it as they are
 */
export function createDrfProgram(loaded: readonly Command[] = []): Command {
  const program = createProgram('drf', 'Robust sentiment analysis of posts with an image, a text, or both.', [
    [spell('data sample --out my-posts'), '200 posts to try things out with'],
    [spell('train --data my-posts/posts.csv'), 'trains on them, or on your own'],
    [spell('eval runs/posts-drf-seed0'), 'how good it is, and what corruption costs'],
    [spell('predict runs/posts-drf-seed0 --text "What a day!"'), 'judges a post'],
    [spell('serve runs/posts-drf-seed0'), 'the same over HTTP'],
    ['source <(drf completion bash)', 'the shell completes commands and options; also zsh, fish, powershell'],
  ])
    .name('drf')
    .version(version(), '--version', 'print the version')
    .helpCommand('help [command]', 'print the help of a command')
    .addHelpText('after', EXIT_CODES);
  for (const { name, summary } of COMMANDS) {
    const whole = loaded.find((command) => command.name() === name);
    if (whole !== undefined) program.addCommand(whole.summary(summary));
    else program.command(name).summary(summary).description(summary).usage('…');
  }
  return program;
}

const EXIT_CODES = `
Every command has --help with examples; those that print results have --json.
Exit codes: 0 done, 1 failed (the message says what to do), 2 a wrong command line, 130 interrupted (Ctrl-C).`;

/** A command as a part of another program, by its bare name. */
async function loadPart({ name, within, load }: Entry): Promise<Command> {
  const program = await load();
  const part = within === undefined ? program : program.commands.find((command) => command.name() === name);
  return (part ?? program).name(name);
}

/**
 * What shells ask for: `completion bash` prints their script, by which they ask `complete -- words …`. Of the commands, that
 * among the words is loaded.
 */
async function createCompletion(words: readonly string[]): Promise<Command> {
  const { default: addCompletion } = await import('@bomb.sh/tab/commander');
  const entry = words.map((word) => COMMANDS.find(({ name }) => name === word)).find((each) => each !== undefined);
  const program = createDrfProgram(entry === undefined ? [] : [await loadPart(entry)]);
  addCompletion(program, { completionCommandName: COMPLETION });
  return program;
}

const COMPLETION = 'completion';

/**
 * Lets the shell complete file names where nothing else is to be said: the library, which prints what it finds, always
 * tells it not to, and has no other way to be told.
 */
async function completeWithFiles(words: readonly string[]): Promise<void> {
  const said: string[] = [];
  const print = console.log;
  console.log = (text: string) => void said.push(text);
  try {
    await runApp(() => createCompletion(words), words);
  } finally {
    console.log = print;
  }
  if (said.length > 0) print(said.length === 1 ? (said[0] as string).replace(/^:\d+$/, ':0').replace(/^complete -F /m, 'complete -o default -F ') : said.join('\n')); // prettier-ignore
}

/**
 * Runs `drf` to its end, and sets the exit code.
 * @param argv what follows `drf` on the command line
 */
export async function runDrf(argv: readonly string[]): Promise<void> {
  const words = argv[0] === '--' ? argv.slice(1) : argv;
  const [name, ...rest] = words[0] === 'help' && words.length > 1 ? [...words.slice(1), '--help'] : words;
  if (name === COMPLETION || name === 'complete') return completeWithFiles(words);
  const entry = COMMANDS.find((each) => each.name === name);
  if (entry !== undefined) return runApp(entry.load, entry.within === undefined ? rest : [entry.name, ...rest]);
  await runApp(createDrfProgram(), words);
  if (words.length === 0) process.exitCode = EXIT.usage;
}
