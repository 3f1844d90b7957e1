import { readBounded, resolveInside } from '@drf/files';
import { DataError } from '@drf/tensor';
import { RowError, type Ledger } from '../ledger.js';
import type { FolderLayout } from './layouts.js';

const MAXIMUM_LABEL_FILE_BYTES = 256 * 1024 * 1024;

/** A line of the label file whose label can be used. */
export interface LabelledLine {
  /** Counts from 1. */
  readonly line: number;
  readonly id: string;
  /** Index into the layout's classes. */
  readonly label: number;
}

/** Lines of a label file below the root. @throws DataError when it is missing, too large or empty */
export async function readLabelFile(root: string, name: string): Promise<readonly string[]> {
  const path = await resolveInside(root, name);
  const content = (await readBounded(path, MAXIMUM_LABEL_FILE_BYTES)).toString('utf8').replace(/^\ufeff/, '');
  const lines = content.split(/\r?\n/);
  if (lines.some((line) => line.trim() !== '')) return lines;
  throw new DataError({ subject: `Label file ${path}`, expected: 'a line for each post', received: 'an empty file' });
}

/** Lines with a usable label; the others go to the ledger with their number. */
export function labelledLines(layout: FolderLayout, lines: readonly string[], ledger: Ledger): LabelledLine[] {
  const result: LabelledLine[] = [];
  const firstLine = new Map<string, number>();
  for (const [index, content] of lines.entries()) {
    const line = index + 1;
    if (content.trim() === '' || (index === 0 && layout.isHeader(content))) continue;
    const subject = `${layout.labelFile}, line ${line}`;
    try {
      const parsed = layout.parseLine(subject, content);
      refuseTwice(subject, parsed.id, firstLine, line);
      if ('dropped' in parsed) ledger.drop({ id: parsed.id, line, reason: parsed.dropped, detail: parsed.detail });
      else result.push({ line, id: parsed.id, label: layout.classes.indexOf(parsed.label) });
    } catch (error) {
      if (!(error instanceof RowError)) throw error;
      const { reason, message } = error;
      ledger.drop({ id: plainId(content) ?? `line ${line}`, line, reason, detail: message });
    }
  }
  return result;
}

/** @throws RowError when the id stood in an earlier line */
function refuseTwice(subject: string, id: string, firstLine: Map<string, number>, line: number): void {
  const earlier = firstLine.get(id);
  if (earlier === undefined) return void firstLine.set(id, line);
  const received = `"${id}" again, as in line ${earlier}`;
  throw new RowError('duplicate id', { subject, expected: 'each id once', received, remedy: 'remove one of the rows' });
}

/** The id with which a line starts, if it can be one. */
function plainId(line: string): string | null {
  return /^[\w.-]+(?=\s)/.exec(line)?.[0] ?? null;
}
