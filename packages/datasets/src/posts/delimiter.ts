import { extname } from 'node:path';

const DELIMITERS = [',', ';', '\t', '|'] as const;

/** The separator that a line `sep=;` names, with which Excel lets a file begin; `null` for other lines. */
export function namedSeparator(line: string): string | null {
  return /^"?sep=([^"\s\w]|\t)"?[,;|\t]*$/i.exec(line)?.[1] ?? null;
}

/**
 * What separates a CSV file's cells: of the known separators the one that stands most often in its first line, outside
 * quotes. Where none does, a comma, or a tab in `.tsv`.
 */
export function sniffDelimiter(path: string, firstLine: string): string {
  const counts = new Map<string, number>(DELIMITERS.map((delimiter) => [delimiter, 0]));
  let isQuoted = false;
  for (const character of firstLine) {
    if (character === '"') isQuoted = !isQuoted;
    else if (!isQuoted && counts.has(character)) counts.set(character, (counts.get(character) as number) + 1);
  }
  const usual = extname(path).toLowerCase() === '.tsv' ? '\t' : ',';
  return DELIMITERS.reduce<string>(
    (best, next) => ((counts.get(next) as number) > (counts.get(best) as number) ? next : best),
    usual,
  );
}
