import { escapeHtml, htmlDocument } from '@drf/terminal';
import { meaningOf, type Term } from './terms.js';

/** A table, whatever it is drawn on. */
export interface TableData {
  readonly caption: string;
  readonly head: readonly string[];
  /** The first cell of each row is its heading. */
  readonly rows: readonly (readonly string[])[];
}

interface HtmlTableOptions {
  /** Share of a row that each cell stands for, in which cells are tinted. */
  readonly shades?: readonly (readonly number[])[];
  /** Words for headings of rows and names of cells, which stand small beside them where they are other ones. */
  readonly words?: ((heading: string) => string) | undefined;
}

/**
 * A table that scrolls by itself where the page is narrow. Columns of figures align to the right, others to the left;
 * the words "better" and "worse" stand out.
 */
export function htmlTable({ caption, head, rows }: TableData, { shades, words }: HtmlTableOptions = {}): string {
  const sides = head.map((_, column) => (column > 0 && rows.every((row) => isFigure(row[column])) ? '' : ' class="left"'));
  const cell = (text: string, column: number, row: number): string => {
    if (column === 0) return `<th scope="row">${headingOf(text, words)}</th>`;
    if (NAMING.includes(head[column] ?? '')) return `<td class="left">${headingOf(text, words)}</td>`;
    if (text === 'better' || text === 'worse') return `<td class="left ${text}">${text}</td>`;
    const shade = shades?.[row]?.[column - 1];
    const tint = `color-mix(in srgb, var(--accent) ${Math.round(30 * (shade ?? 0))}%, transparent)`;
    return `<td${sides[column]}${shade === undefined ? '' : ` style="background:${tint}"`}>${escapeHtml(text)}</td>`;
  };
  const name = escapeHtml(caption);
  const heads = head.map((text, column) => `<th scope="col"${sides[column]}>${explained(text)}</th>`);
  return [
    `<div class="scroll" role="group" tabindex="0" aria-label="${name}"><table><caption><span>${name}</span></caption>`,
    `<thead><tr>${heads.join('')}</tr></thead>`,
    `<tbody>${rows.map((row, i) => `<tr>${row.map((text, column) => cell(text, column, i)).join('')}</tr>`).join('\n')}</tbody></table></div>`,
  ].join('\n');
} // prettier-ignore

/** Columns of which `words` has words, beside the first. */
const NAMING = ['cell', 'trained on'];

/** Whether a cell is a figure, an interval, or nothing. */
function isFigure(text = ''): boolean {
  return /^([+−–-]?[\d<>(]|–$|$)/.test(text);
}

function headingOf(text: string, words: HtmlTableOptions['words']): string {
  const said = words?.(text) ?? text;
  return said === text ? escapeHtml(text) : `${escapeHtml(said)} <small class="code">${escapeHtml(text)}</small>`;
}

function explained(text: string): string {
  const meaning = meaningOf(text);
  return meaning === undefined ? escapeHtml(text) : `<abbr title="${escapeHtml(meaning)}">${escapeHtml(text)}</abbr>`;
}

/** Folded explanations of terms; nothing without any. */
export function legend(terms: readonly Term[]): string {
  if (terms.length === 0) return '';
  const items = terms.map(([word, meaning]) => `<dt>${escapeHtml(word)}</dt><dd>${escapeHtml(meaning)}</dd>`);
  return `<details class="legend"><summary>How to read this</summary><dl>${items.join('')}</dl></details>`;
}

/** What is shown only to those who ask. @param body HTML */
export function folded(summary: string, body: string): string {
  return `<details><summary>${escapeHtml(summary)}</summary>${body}</details>`;
}

/** A paragraph of text. */
export function paragraph(text: string): string {
  return `<p>${escapeHtml(text)}</p>`;
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1b2026; --paper: #ffffff; --line: #d5d9de; --soft: #f3f5f7; --muted: #59616a; --accent: #2f7fc1; --good: #176b3a; --bad: #a32a2a; --link: #1a5f9e; --warn: #fdf3d7; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7eaed; --paper: #14171b; --line: #3a4149; --soft: #1e2329; --muted: #a3abb4; --accent: #5aa5e0; --good: #6fcf97; --bad: #f0908f; --link: #86bdf0; --warn: #3b3216; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink); background: var(--paper); margin: 0; }
main { max-width: 76rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: .6rem 0; } h2 { font-size: 1.25rem; margin: 2.4rem 0 .6rem; border-top: 1px solid var(--line); padding-top: 1.2rem; } h3 { font-size: 1rem; margin: .2rem 0; }
a { color: var(--link); } p { max-width: 46rem; overflow-wrap: anywhere; }
nav { margin: 1rem 0; } nav ol, nav ul { columns: 16rem; column-gap: 2rem; padding-left: 1.2rem; margin: .3rem 0; }
.links ul { display: inline; columns: auto; padding: 0; } .links li { display: inline; } .links li + li::before { content: ' · '; }
.opening { border-left: 4px solid var(--accent); padding: .2rem 0 .2rem 1rem; font-size: 1.06rem; } .opening p { margin: .5rem 0; }
.warnings { list-style: none; margin: 1rem 0; padding: 0; max-width: 48rem; } .warnings li { background: var(--warn); border-radius: .4rem; padding: .45rem .8rem; margin: .4rem 0; overflow-wrap: anywhere; }
small.code { color: var(--muted); font-size: .78rem; font-family: ui-monospace, monospace; white-space: nowrap; }
abbr { text-decoration: underline dotted; text-underline-offset: .2em; cursor: help; }
.legend dl { display: grid; grid-template-columns: minmax(6rem, max-content) minmax(0, 1fr); gap: .25rem 1rem; max-width: 52rem; font-size: .92rem; } .legend dt { font-weight: 600; text-align: left; color: inherit; } .legend dd { margin: 0; text-align: left; }
pre { background: var(--soft); padding: .8rem; overflow-x: auto; } pre.wrap { white-space: pre-wrap; overflow-wrap: anywhere; }
.quiet { color: var(--muted); font-weight: 400; }
.scroll { overflow-x: auto; max-width: 100%; } .scroll:focus-visible, a:focus-visible, select:focus-visible, summary:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
table { border-collapse: collapse; margin: .8rem 0; font-size: .92rem; } caption { text-align: left; font-weight: 600; padding: .3rem 0; min-width: min(34rem, 80vw); } caption span { position: sticky; left: 0; display: inline-block; max-width: min(60rem, calc(100vw - 1.6rem)); }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th[scope=row], thead th:first-child { text-align: left; font-weight: 500; position: sticky; left: 0; background: var(--paper); }
th.left, td.left { text-align: left; }
thead th { background: var(--soft); vertical-align: bottom; } thead th:first-child { background: var(--soft); }
.better { color: var(--good); font-weight: 600; } .worse { color: var(--bad); font-weight: 600; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); gap: 1rem; }
figure { margin: 1rem 0; max-width: 54rem; background: var(--soft); border-radius: .5rem; padding: .6rem; min-width: 0; } .figures figure { margin: 0; max-width: none; } figure svg { display: block; width: 100%; max-width: 50rem; height: auto; min-width: 24rem; color: var(--muted); }
figcaption { font-size: .9rem; color: var(--muted); padding-top: .3rem; }
details { margin: .6rem 0; } summary { cursor: pointer; padding: .3rem 0; color: var(--link); }
@media print { :root { color-scheme: light; --ink: #000; --paper: #fff; --line: #bbb; --soft: #f3f5f7; --muted: #444; --accent: #2f7fc1; --good: #176b3a; --bad: #a32a2a; --link: #000; --warn: #fdf3d7; } body { font-size: 10.5pt; } nav, .filters { display: none; } .scroll { overflow: visible; } th, td { white-space: normal; } figure, article, tr { break-inside: avoid; } h2 { break-after: avoid; } }
@media (max-width: 30rem) { main { padding: .7rem; } th, td { padding: .25rem .45rem; } th[scope=row] { max-width: 8.5rem; white-space: normal; } th[scope=row]:has(.code) { min-width: 8rem; } small.code { display: block; overflow-wrap: anywhere; white-space: normal; } .legend dl { grid-template-columns: minmax(0, 1fr); } .legend dd { margin-bottom: .4rem; } }
`;

/** A part of a report, with its place in the contents. */
export interface ReportSection {
  readonly id: string;
  readonly heading: string;
  /** HTML */
  readonly body: string;
}

/** A page to go on to. */
export interface ReportLink {
  readonly words: string;
  /** Relative to the report, so that it works wherever both were moved to. */
  readonly href: string;
}

export interface Report {
  readonly title: string;
  /** What the report shows, in paragraphs of sentences: what a reader should know who reads nothing else. */
  readonly opening: readonly (readonly string[])[];
  readonly warnings?: readonly string[];
  /** HTML between opening and contents; default: none. */
  readonly links?: string;
  readonly sections: readonly ReportSection[];
}

/** A report as a page in one file: opening and warnings, other reports, contents, and the sections. */
export function reportPage({ title, opening, warnings = [], links = '', sections }: Report, options?: HtmlPageOptions): string {
  const contents = sections.map(({ id, heading }) => `<li><a href="#${escapeHtml(id)}">${escapeHtml(heading)}</a></li>`);
  const body = [
    `<div class="opening">${opening.filter(({ length }) => length > 0).map((sentences) => paragraph(sentences.join(' ').replaceAll(' %', '\u00a0%'))).join('\n')}</div>`,
    ...(warnings.length === 0 ? [] : [`<ul class="warnings" aria-label="Warnings">${warnings.map((text) => `<li>${escapeHtml(text)}</li>`).join('\n')}</ul>`]),
    links,
    `<nav aria-label="Contents"><ol>${contents.join('')}</ol></nav>`,
    ...sections.map(
      ({ id, heading, body: own }) =>
        `<section id="${escapeHtml(id)}" aria-labelledby="${escapeHtml(id)}-heading"><h2 id="${escapeHtml(id)}-heading">${escapeHtml(heading)}</h2>\n${own}</section>`,
    ),
  ];
  return htmlPage(title, body.join('\n'), options);
} // prettier-ignore

/** Links to other reports; nothing without any. */
export function reportLinks(links: readonly ReportLink[]): string {
  if (links.length === 0) return '';
  const items = links.map(({ words, href }) => `<li><a href="${escapeHtml(href)}">${escapeHtml(words)}</a></li>`);
  return `<nav class="links" aria-label="Other reports">See also: <ul>${items.join('')}</ul></nav>`;
}

/** A path of files as the address of a link. */
export function linkTo(path: string): string {
  return path.split(/[\\/]/).map(encodeURIComponent).join('/');
}

/** What a page has beyond the usual. */
interface HtmlPageOptions {
  /** Further CSS; default: none. */
  readonly style?: string;
  /** JavaScript that runs when the page is there; default: none. */
  readonly script?: string;
}

/** A page with the style of reports, in one file ({@link htmlDocument}). @param body HTML */
export function htmlPage(title: string, body: string, { style = '', script }: HtmlPageOptions = {}): string {
  return htmlDocument(title, body, `${STYLE}${style}`, script);
}
