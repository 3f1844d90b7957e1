import { formatTable } from '@drf/terminal';
import type { EvaluationResult } from './result.js';
import { headerLines, resultSections, type Section } from './sections.js';

/** A result for people, as plain text. @param details tables of classes for every cell */
export function textReport(result: EvaluationResult, details = false): string {
  return [...headerLines(result), ...resultSections(result, details).map(textSection)].join('\n');
}

/** Lines and tables, each table below its caption. */
export function textSection({ lines = [], tables }: Section): string {
  const drawn = tables.map(({ caption, head, rows }) => `${caption}\n${formatTable(head, rows)}`);
  return ['', [...drawn, ...lines].join('\n\n')].join('\n');
}
