import { styleText } from 'node:util';
import { printable } from '@drf/terminal';

/** How a finding is to be taken: fine; works, but look at it; stops the default use; optional and not there. */
export type Mark = 'good' | 'warning' | 'problem' | 'absent';

interface Observation {
  /** The group of lines that it belongs to. */
  readonly topic: string;
  /** What was looked at. */
  readonly subject: string;
  /** What was found, in a few words. */
  readonly found: string;
}

/** One line of the report. What is not fine says what to do about it. */
export type Finding = Observation &
  (
    | { readonly mark: 'good'; readonly advice?: undefined }
    | { readonly mark: Exclude<Mark, 'good'>; readonly advice: string }
  );

export interface Report {
  readonly format: 1;
  /** Whether nothing stops the default use. */
  readonly ok: boolean;
  readonly seconds: number;
  readonly findings: readonly Finding[];
}

export function makeReport(findings: readonly Finding[], seconds: number): Report {
  return { format: 1, ok: findings.every(({ mark }) => mark !== 'problem'), seconds, findings };
}

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

const UNITS = ['bytes', 'KB', 'MB', 'GB', 'TB'] as const;

/** Bytes for people: "512 bytes", "3.2 GB". */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}
