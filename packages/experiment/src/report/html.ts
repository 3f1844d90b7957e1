/** Text made safe for HTML content and attributes. */
export function escapeHtml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, (character) => entities[character] as string);
}

/** A table, whatever it is drawn on. */
export interface TableData {
  readonly caption: string;
  readonly head: readonly string[];
  /** The first cell of each row is its heading. */
  readonly rows: readonly (readonly string[])[];
}

/**
 * A table that scrolls by itself where the page is narrow. Numbers align to the right; the words "better" and "worse"
 * stand out.
 * @param shades share of a row that each cell stands for, in which cells are tinted
 */
export function htmlTable({ caption, head, rows }: TableData, shades?: readonly (readonly number[])[]): string {
  const cell = (text: string, column: number, row: number): string => {
    if (column === 0) return `<th scope="row">${escapeHtml(text)}</th>`;
    const mark = text === 'better' || text === 'worse' ? ` class="${text}"` : '';
    const shade = shades?.[row]?.[column - 1];
    const tint = `color-mix(in srgb, var(--accent) ${Math.round(30 * (shade ?? 0))}%, transparent)`;
    return `<td${mark}${shade === undefined ? '' : ` style="background:${tint}"`}>${escapeHtml(text)}</td>`;
  };
  const name = escapeHtml(caption);
  return [
    `<div class="scroll" role="group" tabindex="0" aria-label="${name}"><table><caption>${name}</caption>`,
    `<thead><tr>${head.map((text) => `<th scope="col">${escapeHtml(text)}</th>`).join('')}</tr></thead>`,
    `<tbody>${rows.map((row, i) => `<tr>${row.map((text, column) => cell(text, column, i)).join('')}</tr>`).join('\n')}</tbody></table></div>`,
  ].join('\n');
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1b2026; --paper: #ffffff; --line: #d5d9de; --soft: #f3f5f7; --muted: #59616a; --accent: #2f7fc1; --good: #176b3a; --bad: #a32a2a; --link: #1a5f9e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7eaed; --paper: #14171b; --line: #3a4149; --soft: #1e2329; --muted: #a3abb4; --accent: #5aa5e0; --good: #6fcf97; --bad: #f0908f; --link: #86bdf0; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink); background: var(--paper); margin: 0; }
main { max-width: 76rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: .6rem 0; } h2 { font-size: 1.25rem; margin: 2.4rem 0 .6rem; border-top: 1px solid var(--line); padding-top: 1.2rem; } h3 { font-size: 1rem; margin: .2rem 0; }
a { color: var(--link); } p { max-width: 46rem; overflow-wrap: anywhere; }
nav ol { columns: 16rem; padding-left: 1.2rem; }
pre { background: var(--soft); padding: .8rem; overflow-x: auto; }
.quiet { color: var(--muted); font-weight: 400; }
.scroll { overflow-x: auto; max-width: 100%; } .scroll:focus-visible, a:focus-visible, select:focus-visible, summary:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
table { border-collapse: collapse; margin: .8rem 0; font-size: .92rem; } caption { text-align: left; font-weight: 600; padding: .3rem 0; min-width: min(34rem, 80vw); }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th[scope=row], thead th:first-child { text-align: left; font-weight: 500; position: sticky; left: 0; background: var(--paper); }
thead th { background: var(--soft); } thead th:first-child { background: var(--soft); }
.better { color: var(--good); font-weight: 600; } .worse { color: var(--bad); font-weight: 600; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); gap: 1rem; }
figure { margin: 1rem 0; background: var(--soft); border-radius: .5rem; padding: .6rem; min-width: 0; } .figures figure { margin: 0; } figure svg { display: block; width: 100%; max-width: 50rem; height: auto; min-width: 24rem; color: var(--muted); }
figcaption { font-size: .9rem; color: var(--muted); padding-top: .3rem; }
details { margin: .6rem 0; } summary { cursor: pointer; padding: .3rem 0; color: var(--link); }
@media (max-width: 30rem) { main { padding: .7rem; } th, td { padding: .25rem .45rem; } th[scope=row] { max-width: 8.5rem; white-space: normal; } }
`;

/** What a page has beyond the usual. */
interface HtmlPageOptions {
  /** Further CSS; default: none. */
  readonly style?: string;
  /** JavaScript that runs when the page is there; default: none. */
  readonly script?: string;
}

/** A page in one file, which asks the network for nothing, not even for an icon. @param body HTML */
export function htmlPage(title: string, body: string, { style = '', script }: HtmlPageOptions = {}): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="data:,">
<style>${STYLE}${style}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
${body}
</main>${script === undefined ? '' : `\n<script>${script}</script>`}
</body>
</html>
`;
}
