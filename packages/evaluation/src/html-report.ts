import { escapeHtml, htmlPage, htmlTable } from '@drf/experiment';
import { curveFigure } from './curve-figure.js';
import type { EvaluationResult } from './result.js';
import { headerLines, resultSections, type Section } from './sections.js';

/** A result as a page in one file: tables, robustness curves, confusion matrices of every cell. */
export function htmlReport(result: EvaluationResult): string {
  const { run, evaluation } = result;
  const body = [
    `<pre>${escapeHtml(headerLines(result).join('\n'))}</pre>`,
    ...resultSections(result, true).map((section) =>
      htmlSection(section, section.heading === 'Robustness' ? [resultFigure(result)] : []),
    ),
  ];
  return htmlPage(`Evaluation of ${run.name} on ${evaluation.dataset}, ${evaluation.split}`, body.join('\n'));
}

export function htmlSection({ heading, lines = [], tables }: Section, figures: readonly string[] = []): string {
  return [
    `<h2>${escapeHtml(heading)}</h2>`,
    ...figures,
    ...tables.map(({ caption, head, rows }) => htmlTable(caption, head, rows)),
    ...lines.map((line) => `<p>${escapeHtml(line)}</p>`),
  ].join('\n');
}

function resultFigure({ curves }: EvaluationResult): string {
  return curveFigure(
    'Accuracy against the share of posts of which one modality is disrupted',
    curves.map(({ setting, points }) => ({ name: setting, points })),
  );
}
