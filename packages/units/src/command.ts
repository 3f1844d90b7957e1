import { fileURLToPath } from 'node:url';
import { ownModules } from '@drf/tensor';

/** A word as a POSIX shell reads it back. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * The command of a unit on another machine, in a shell's spelling, to which plan and index are appended.
 * @param given what the user says that it is there (`--unit-command`); default: the same Node and program as here
 */
export function unitCommand(program: URL, given: string | undefined): string {
  return given ?? [process.execPath, ...process.execArgv, fileURLToPath(program)].map(quote).join(' ');
}

/** Arguments after plan and index: modules of the user's own that units need, too. */
export function unitOptions(): string[] {
  return ownModules().flatMap((module) => ['--own', module]);
}
