import { escapeHtml, htmlPage } from '@drf/experiment';
import type { TableData } from '../tables.js';
import { INK, type Chart } from './chart.js';
import type { GalleryPost } from './gallery.js';

/** A part of the page, with its place in the contents. */
export interface Part {
  readonly id: string;
  readonly heading: string;
  /** HTML */
  readonly body: string;
}

export function paragraph(text: string): string {
  return `<p>${escapeHtml(text)}</p>`;
}

/** A table that scrolls by itself where the page is narrow; cells of `strong` verdicts stand out. */
export function table({ caption, head, rows }: TableData): string {
  const cell = (text: string, i: number): string => {
    if (i === 0) return `<th scope="row">${escapeHtml(text)}</th>`;
    const mark = text === 'better' || text === 'worse' ? ` class="${text}"` : '';
    return `<td${mark}>${escapeHtml(text)}</td>`;
  };
  return [
    `<div class="scroll" role="group" tabindex="0" aria-label="${escapeHtml(caption)}"><table><caption>${escapeHtml(caption)}</caption>`,
    `<thead><tr>${head.map((name) => `<th scope="col">${escapeHtml(name)}</th>`).join('')}</tr></thead>`,
    `<tbody>${rows.map((row) => `<tr>${row.map(cell).join('')}</tr>`).join('\n')}</tbody></table></div>`,
  ].join('\n');
}

/** A chart in the page's own ink, with its words for those who cannot see it. */
export function figure({ title, description, svg }: Chart): string {
  const own = svg.replaceAll(INK, 'var(--muted)').replace(/<svg /, '<svg aria-hidden="true" focusable="false" ');
  return `<figure><div class="scroll" role="img" tabindex="0" aria-label="${escapeHtml(description)}">${own}</div><figcaption>${escapeHtml(title)}</figcaption></figure>`;
}

export function figures(charts: readonly Chart[]): string {
  return `<div class="figures">${charts.map(figure).join('\n')}</div>`;
}

/** A confusion matrix, shaded by the share of each true class. */
export function confusion(caption: string, classes: readonly string[], counts: readonly (readonly number[])[]): string {
  const rows = counts.map((row, truth) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    const cells = row.map((count) => {
      const share = total === 0 ? 0 : count / total;
      const style = `background:color-mix(in srgb, var(--accent) ${Math.round(30 * share)}%, transparent)`;
      return `<td style="${style}">${count} (${(100 * share).toFixed(0)} %)</td>`;
    });
    return `<tr><th scope="row">${escapeHtml(classes[truth] as string)}</th>${cells.join('')}</tr>`;
  });
  return [
    `<div class="scroll" role="group" tabindex="0" aria-label="${escapeHtml(caption)}"><table><caption>${escapeHtml(caption)}</caption>`,
    `<thead><tr><th scope="col">truth</th>${classes.map((name) => `<th scope="col">→ ${escapeHtml(name)}</th>`).join('')}</tr></thead>`,
    `<tbody>${rows.join('\n')}</tbody></table></div>`,
  ].join('\n');
}

/** Posts one can leaf through, filtered by cell and by whether the answer is right. */
export function gallery(posts: readonly GalleryPost[]): string {
  const cells = [...new Set(posts.map(({ cell }) => cell))];
  const options = cells.map((name) => `<option>${escapeHtml(name)}</option>`).join('');
  return [
    '<form class="filters" id="filters">',
    `<label>Cell <select id="filter-cell"><option value="">all</option>${options}</select></label>`,
    '<label>Answer <select id="filter-answer"><option value="">all</option><option value="right">right</option><option value="wrong">wrong</option></select></label>',
    `<output id="filter-count" for="filter-cell filter-answer">${posts.length} shown</output></form>`,
    `<div class="posts">${posts.map(card).join('\n')}</div>`,
  ].join('\n');
}

function card(post: GalleryPost): string {
  const { prediction, truth, predicted } = post;
  const number = (value: number | null): string => (value === null ? '–' : value.toFixed(2));
  const { available, densities, weights } = prediction;
  const isRight = truth === predicted;
  const rows: [string, string][] = [
    ['λ image, text', `${available.image ? 1 : 0}, ${available.text ? 1 : 0}`],
    ['density, image', number(densities.image)],
    ['density, text', number(densities.text)],
    ['density, recovered image', number(densities.recoveredImage)],
    ['density, recovered text', number(densities.recoveredText)],
    ['weight, image and text', number(weights.both)],
    ['weight, image and recovered text', number(weights.image)],
    ['weight, recovered image and text', number(weights.text)],
    ...post.probabilities.map(([name, value]): [string, string] => [`p, ${name}`, `${(100 * value).toFixed(0)} %`]),
  ];
  const image =
    post.image === null
      ? '<div class="missing">image missing</div>'
      : `<img src="${post.image}" alt="Image of post ${escapeHtml(post.id)}, ${escapeHtml(post.disruption)}" width="160" height="144">`;
  return [
    `<article data-cell="${escapeHtml(post.cell)}" data-answer="${isRight ? 'right' : 'wrong'}">`,
    `<h3>${escapeHtml(post.id)} <span class="quiet">${escapeHtml(post.cell)}: ${escapeHtml(post.disruption)}</span></h3>`,
    image,
    `<p class="text">${post.text === null ? '<span class="quiet">text missing</span>' : escapeHtml(post.text)}</p>`,
    `<p><strong class="${isRight ? 'better' : 'worse'}">${escapeHtml(predicted)}</strong>, truth ${escapeHtml(truth)}</p>`,
    `<dl>${rows.map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`).join('')}</dl>`,
    '</article>',
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
.quiet { color: var(--muted); font-weight: 400; }
.scroll { overflow-x: auto; max-width: 100%; } .scroll:focus-visible, a:focus-visible, select:focus-visible, summary:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
table { border-collapse: collapse; margin: .8rem 0; font-size: .92rem; } caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th[scope=row], thead th:first-child { text-align: left; font-weight: 500; position: sticky; left: 0; background: var(--paper); }
thead th { background: var(--soft); } thead th:first-child { background: var(--soft); }
.better { color: var(--good); font-weight: 600; } .worse { color: var(--bad); font-weight: 600; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); gap: 1rem; }
figure { margin: 0; background: var(--soft); border-radius: .5rem; padding: .6rem; min-width: 0; } figure svg { display: block; width: 100%; height: auto; min-width: 24rem; }
figcaption { font-size: .9rem; color: var(--muted); padding-top: .3rem; }
details { margin: .6rem 0; } summary { cursor: pointer; padding: .3rem 0; color: var(--link); }
.filters { display: flex; flex-wrap: wrap; gap: .8rem 1.4rem; align-items: center; margin: .8rem 0; } select { font: inherit; padding: .3rem .4rem; color: inherit; background: var(--soft); border: 1px solid var(--muted); border-radius: .3rem; }
.posts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: 1rem; }
article { background: var(--soft); border-radius: .5rem; padding: .8rem; min-width: 0; overflow-wrap: anywhere; font-size: .92rem; } article[hidden] { display: none; }
article img { display: block; width: auto; max-width: 100%; height: 9rem; object-fit: contain; margin: .5rem 0; border-radius: .3rem; } .missing { height: 9rem; margin: .5rem 0; border: 1px dashed var(--muted); border-radius: .3rem; display: grid; place-items: center; color: var(--muted); }
dl { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: .1rem .7rem; margin: 0; font-size: .85rem; } dt { color: var(--muted); } dd { margin: 0; font-variant-numeric: tabular-nums; text-align: right; }
@media (max-width: 30rem) { main { padding: .7rem; } th, td { padding: .25rem .45rem; } th[scope=row] { max-width: 8.5rem; white-space: normal; } }
`;

/** Filters the posts; the page is whole without it. */
const SCRIPT = `
const form = document.getElementById('filters');
form?.addEventListener('change', () => {
  const cell = document.getElementById('filter-cell').value;
  const answer = document.getElementById('filter-answer').value;
  let shown = 0;
  for (const post of document.querySelectorAll('article')) {
    post.hidden = (cell !== '' && post.dataset.cell !== cell) || (answer !== '' && post.dataset.answer !== answer);
    if (!post.hidden) shown++;
  }
  document.getElementById('filter-count').textContent = shown + ' shown';
});
`;

/** Else a browser asks for one. */
const NO_ICON = '<link rel="icon" href="data:,">\n';

/** The page in one file: no network. */
export function reportPage(title: string, introduction: string, parts: readonly Part[]): string {
  const contents = parts.map(({ id, heading }) => `<li><a href="#${id}">${escapeHtml(heading)}</a></li>`).join('');
  const body = parts.map(
    ({ id, heading, body: own }) =>
      `<section id="${id}" aria-labelledby="${id}-heading"><h2 id="${id}-heading">${escapeHtml(heading)}</h2>\n${own}</section>`,
  );
  const contentsOfAll = `<nav aria-label="Contents"><ol>${contents}</ol></nav>`;
  return htmlPage(title, [introduction, contentsOfAll, ...body].join('\n'), {
    head: NO_ICON,
    style: STYLE,
    script: SCRIPT,
  });
}
