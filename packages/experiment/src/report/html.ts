/** Text made safe for HTML content and attributes. */
export function escapeHtml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, (character) => entities[character] as string);
}

/** A table; the first cell of each row is its heading. Numbers align to the right. */
export function htmlTable(caption: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (row: readonly string[]): string =>
    row
      .map((cell, i) => (i === 0 ? `<th scope="row">${escapeHtml(cell)}</th>` : `<td>${escapeHtml(cell)}</td>`))
      .join('');
  return [
    `<table><caption>${escapeHtml(caption)}</caption>`,
    `<thead><tr>${head.map((name) => `<th scope="col">${escapeHtml(name)}</th>`).join('')}</tr></thead>`,
    `<tbody>${rows.map((row) => `<tr>${cells(row)}</tr>`).join('\n')}</tbody></table>`,
  ].join('\n');
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1c2127; --paper: #ffffff; --line: #d5d9de; --soft: #f4f5f7; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --paper: #16191d; --line: #3a4048; --soft: #20242a; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; min-width: min(36rem, 90vw); }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .7rem; text-align: right; font-variant-numeric: tabular-nums; }
th[scope=row], thead th:first-child { text-align: left; font-weight: 500; }
thead { background: var(--soft); }
figure { margin: 1rem 0; } figure svg { width: 100%; height: auto; } figcaption { font-size: .9rem; }
pre { background: var(--soft); padding: .8rem; overflow-x: auto; }
`;

/** What a page has instead of the usual. */
export interface HtmlPageOptions {
  /** HTML lines for its head; default: none. */
  readonly head?: string;
  /** CSS. */
  readonly style?: string;
  /** JavaScript that runs when the page is there; default: none. */
  readonly script?: string;
}

/** A page in one file: no network. @param body HTML */
export function htmlPage(
  title: string,
  body: string,
  { head = '', style = STYLE, script }: HtmlPageOptions = {},
): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
${head}<style>${style}</style>
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
