import { styleText } from 'node:util';
import { printable } from '@drf/terminal';
import type { Finding, Mark, Report } from './finding.js';

/** A sign, a word and a color for each mark: no color is needed to tell them apart. */
const MARKS: {
  readonly [mark in Mark]: readonly [sign: string, word: string, color: 'green' | 'yellow' | 'red' | 'gray'];
} = {
  good: ['✓', 'ok', 'green'],
  warning: ['!', 'look', 'yellow'],
  problem: ['✗', 'problem', 'red'],
  absent: ['·', 'optional', 'gray'],
};

const WORD_WIDTH = Math.max(...Object.values(MARKS).map(([, word]) => word.length));

function line({ mark, subject, found, advice }: Finding, width: number, color: boolean): string {
  const [sign, word, name] = MARKS[mark];
  const label = `${sign} ${word.padEnd(WORD_WIDTH)}`;
  const colored = color ? styleText(name, label, { validateStream: false }) : label;
  const text = `  ${colored}  ${printable(subject).padEnd(width)}  ${printable(found)}`;
  return advice === undefined ? text : `${text}\n${' '.repeat(WORD_WIDTH + width + 8)}→ ${printable(advice)}`;
}

function summary({ findings, ok }: Report): string {
  const count = (mark: Mark): number => findings.filter((finding) => finding.mark === mark).length;
  const plural = (number: number, word: string): string => `${number} ${word}${number === 1 ? '' : 's'}`;
  const looks = count('warning') === 0 ? '' : `; ${plural(count('warning'), 'line')} to look at`;
  if (ok) return `Ready: nothing stops the default use${looks}`;
  return `Not ready: ${plural(count('problem'), 'problem')} to solve first${looks}`;
}

/** The report for people: lines by topic, then one line that says whether the project works here. */
export function render(report: Report, color: boolean): string {
  const width = Math.max(...report.findings.map(({ subject }) => subject.length));
  const topics = [...new Set(report.findings.map(({ topic }) => topic))];
  const blocks = topics.map((topic) => {
    const own = report.findings.filter((finding) => finding.topic === topic);
    return [topic, ...own.map((finding) => line(finding, width, color))].join('\n');
  });
  return `${blocks.join('\n\n')}\n\n${summary(report)} (${report.seconds.toFixed(1)} s)\n`;
}
