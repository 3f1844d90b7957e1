import { Command, CommanderError } from 'commander';
import { DrfError } from '@drf/tensor';
import { nearestName } from './options.js';
import { guard } from './printable.js';
import { spell } from './spell.js';

/** What a process tells its caller. Codes from 128 on are signals (130: Ctrl-C). */
export const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** Thrown by an action that has already said everything and only wants the exit code. */
export class ExitRequest extends Error {
  constructor(readonly code: number) {
    super(`exit ${code}`);
  }
}

/**
 * A commander program in this project's manner: unknown options are named with the nearest right one, usage errors
 * exit with 2, and help ends with examples.
 * @param name the command, as {@link spell} takes it
 * @param examples command lines with what each does
 */
export function createProgram(
  name: string,
  description: string,
  examples: readonly (readonly [string, string])[],
): Command {
  const program = new Command(spell(name)).description(description).showSuggestionAfterError(true);
  return withExamples(program, examples);
}

/** Ends a command's help with examples. */
export function withExamples(command: Command, examples: readonly (readonly [string, string])[]): Command {
  if (examples.length === 0) return command;
  const lines = examples.map(([line, meaning]) => `  $ ${line}\n      ${meaning}`);
  return command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
}

/** Makes every command throw instead of exiting, so that {@link runApp} decides the exit code in one place. */
function throwInsteadOfExit(command: Command): void {
  command.exitOverride();
  command.commands.forEach(throwInsteadOfExit);
}

/**
 * Parses the arguments, runs the chosen action with control characters shown in all that it prints, and turns what it throws into a message on standard error and an exit
 * code. Errors of ours print their message alone; others print their stack, since they are bugs.
 * @param program the program, or what loads it
 */
export async function runApp(
  program: Command | (() => Promise<Command>),
  argv: readonly string[] = process.argv.slice(2),
): Promise<void> {
  guard(process.stdout);
  guard(process.stderr);
  // a reader that has seen enough (`… | head`) is no error
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.ok);
    throw error;
  });
  // pnpm hands over the `--` that separates its own options from ours
  const args = argv[0] === '--' ? argv.slice(1) : argv;
  let loaded: Command | undefined;
  try {
    loaded = typeof program === 'function' ? await program() : program;
    throwInsteadOfExit(loaded);
    await loaded.parseAsync([...args], { from: 'user' });
    process.exitCode ??= EXIT.ok;
  } catch (error) {
    if (loaded !== undefined) suggestDottedOption(error, loaded);
    process.exitCode = reportError(error);
  }
}

/** Commander compares whole names, so `--epohs` finds nothing where the option is `--training.epochs`. */
function suggestDottedOption(error: unknown, program: Command): void {
  if (!(error instanceof CommanderError) || error.code !== 'commander.unknownOption') return;
  const unknown = /'--([^']+)'/.exec(error.message)?.[1];
  if (unknown === undefined || error.message.includes('Did you mean')) return;
  const byLastPart = new Map(
    program.options.flatMap(({ long }) =>
      long?.includes('.') ? [[long.split('.').at(-1) as string, long] as const] : [],
    ),
  );
  const nearest = nearestName(unknown.split('.').at(-1) as string, [...byLastPart.keys()]);
  if (nearest !== undefined) process.stderr.write(`(Did you mean ${byLastPart.get(nearest)}?)\n`);
}

/** Says on standard error what went wrong, unless that was done already, and gives the code to exit with. */
export function reportError(error: unknown): number {
  if (error instanceof ExitRequest) return error.code;
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof DrfError) {
    process.stderr.write(`error: ${error.message}\n`);
    return EXIT.failed;
  }
  if (isSystemError(error)) {
    const { code, syscall, path = 'a file or connection', message } = error;
    process.stderr.write(`error: ${path} expected to be usable (${syscall}), received ${code}: ${message}; check that it is there, its permissions and the room on its disk\n`); // prettier-ignore
    return EXIT.failed;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`unexpected error (a bug; please report it):\n${text}\n`);
  return EXIT.failed;
}

/** What the operating system refused: a file without permission, a full disk, a port in use. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  const { syscall, code } = (error ?? {}) as NodeJS.ErrnoException;
  return error instanceof Error && typeof syscall === 'string' && typeof code === 'string';
}

/**
 * Turns the first Ctrl-C (SIGINT) or SIGTERM into an abort signal, so that a long job can save and say how to resume.
 * A second Ctrl-C ends the process at once.
 * @param others further signals that do the same
 */
export function interruptSignal(
  onFirst: () => void,
  others: readonly NodeJS.Signals[] = [],
): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const handler = (): void => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
    onFirst();
  };
  const signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', ...others];
  for (const signal of signals) process.on(signal, handler);
  return {
    signal: controller.signal,
    release: () => {
      for (const signal of signals) process.off(signal, handler);
    },
  };
}
