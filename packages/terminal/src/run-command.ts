import { spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** Where and how to run a program. */
export interface CommandOptions {
  readonly cwd?: string;
  readonly environment?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
  readonly timeoutMilliseconds?: number;
  /** Gets what the command prints, as it comes. */
  readonly onOutput?: (text: string) => void;
}

/** How a program ended, and what it printed. */
export interface CommandResult {
  /** 0 when it worked; nothing when a signal ended it or it could not be started. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Whether there is no such command. */
  readonly missing: boolean;
}

/** Runs a program to its end, without a shell; never throws for what the program does. */
export type RunCommand = (command: string, args: readonly string[], options?: CommandOptions) => Promise<CommandResult>;

/** No more of a program's output is kept. */
const KEPT_CHARACTERS = 1_000_000;

/** Runs a program without a shell. It never throws for what the program does: the result says it. */
export const runCommand: RunCommand = (command, args, options = {}) =>
  new Promise((resolve) => {
    const { cwd, environment, signal, timeoutMilliseconds: timeout, onOutput } = options;
    const child = spawn(command, args, {
      cwd,
      env: environment ?? process.env,
      signal,
      timeout,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const kept = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        kept[name] = (kept[name] + text).slice(-KEPT_CHARACTERS);
        onOutput?.(text);
      });
    }
    child.on('error', (error: NodeJS.ErrnoException) => {
      resolve({ ...kept, stderr: kept.stderr || error.message, code: null, missing: error.code === 'ENOENT' });
    });
    child.on('close', (code) => resolve({ ...kept, code, missing: false }));
  });

/** The last lines of a program's output that say something, for an error message. */
export function lastLines(text: string, count = 4): string {
  const lines = text
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return lines.slice(-count).join(' / ') || 'no output';
}

/** Path of the first of several programs that is on the path. */
export async function findProgram(names: readonly string[]): Promise<string | undefined> {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  for (const path of names.flatMap((name) => folders.map((folder) => join(folder, name)))) {
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}
