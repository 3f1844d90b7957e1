import { extname } from 'node:path';
import { DataError } from '@drf/tensor';

const DELIMITERS = [',', ';', '\t', '|'] as const;

/**
 * What separates a CSV file's cells: of the known separators the one that stands most often in its first line, outside
 * quotes. Where none does, a comma, or a tab in `.tsv`.
 * @param head the file's first bytes
 * @throws DataError when they are UTF-16, which Excel's "Unicode text" is
 */
export function sniffDelimiter(path: string, head: Buffer): string {
  const mark = head.subarray(0, 2).toString('hex');
  if (mark === 'fffe' || mark === 'feff') throw inUtf16(path);
  const counts = new Map<string, number>(DELIMITERS.map((delimiter) => [delimiter, 0]));
  let isQuoted = false;
  for (const character of head.toString('latin1')) {
    if (character === '"') isQuoted = !isQuoted;
    else if (isQuoted) continue;
    else if (character === '\n') break;
    else if (counts.has(character)) counts.set(character, (counts.get(character) as number) + 1);
  }
  const usual = extname(path).toLowerCase() === '.tsv' ? '\t' : ',';
  return DELIMITERS.reduce<string>(
    (best, next) => ((counts.get(next) as number) > (counts.get(best) as number) ? next : best),
    usual,
  );
}

function inUtf16(path: string): DataError {
  return new DataError({
    subject: `Reading ${path}`,
    expected: 'UTF-8 text',
    received: 'UTF-16 (by its byte order mark)',
    remedy: 'save it as "CSV UTF-8"',
  });
}
