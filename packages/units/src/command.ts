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

/** Words as a shell splits them, with quotes but without variables. */
export function splitWords(text: string): string[] {
  const words = text.match(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g) ?? [];
  return words.map((word) => word.replaceAll(/"([^"]*)"|'([^']*)'/g, (_, double?: string, single?: string) => double ?? single ?? '')); // prettier-ignore
}

/**
 * Ascending indices of units as ranges, stages by "|": "0-36,40|41-119". Where that would be too long for a command,
 * units in gaps are taken in whose outputs are there, which end at once.
 * @param base what each index is counted from
 */
export function dueRanges(
  stages: readonly (readonly number[])[],
  isThere: (index: number) => boolean,
  mostCharacters: number,
  base = 0,
): string {
  for (let gap = 0; ; gap = 2 * gap + 1) {
    const text = stages.map((stage) => formatRanges(withGaps(stage, gap, isThere), base)).join('|');
    if (text.length <= mostCharacters || gap > 2 ** 40) return text;
  }
}

function withGaps(stage: readonly number[], gap: number, isThere: (index: number) => boolean): number[] {
  return stage.flatMap((index, place) => {
    const from = place === 0 ? index : (stage[place - 1] as number) + 1;
    const between = index - from > gap ? [] : Array.from({ length: index - from }, (_, step) => from + step);
    return between.every(isThere) ? [...between, index] : [index];
  });
}

function formatRanges(indices: readonly number[], base: number): string {
  const ranges: [number, number][] = [];
  for (const index of indices) {
    const last = ranges.at(-1);
    if (last !== undefined && index - base === last[1] + 1) last[1]++;
    else ranges.push([index - base, index - base]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}
