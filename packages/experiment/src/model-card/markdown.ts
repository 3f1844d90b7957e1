import { printable } from '@drf/terminal';

/** What Markdown, with the tables and links of GitHub and the hub, would read as more than text. */
const SPECIAL = /[\\`*_{}[\]()<>#|~$&!]/g;

/**
 * A text from elsewhere (a class, a name of a file) as Markdown that shows it: on one line, nothing of it a tag, a link, a
 * heading, a cell.
 */
export function escapeMarkdown(text: string): string {
  return printable(text.replaceAll(/\s+/g, ' ').trim(), { layout: false })
    .replaceAll(SPECIAL, '\\$&')
    .replaceAll('://', '&#58;//') // without which an address becomes a link by itself
    .replaceAll(/\bwww\./gi, (found) => `${found.slice(0, 3)}&#46;`)
    .replace(/^([-+=]|\d+(?=[.)]))/, '&#8203;$1'); // a list, a line under a heading
}

/** A table whose cells are Markdown; the first column to the left, the others to the right. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}
