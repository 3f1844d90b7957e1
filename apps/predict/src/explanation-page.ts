import { EXPLANATION_LEGEND, EXPLANATION_STYLE, explanationMap, markedText, placeOf, pointsOf, strongestPlaces, type Change, type ExplainedRegion, type Explanation, type JudgeInfo, type Picture } from '@drf/judge'; // prettier-ignore
import { escapeHtml, htmlDocument } from '@drf/terminal';

interface ExplainedPost {
  readonly text: string | null;
  readonly picture: Picture | null;
}

/**
 * A page in one file: the text with its words marked, the image under a map of its regions, and all numbers as tables. What
 * speaks for the label and what against it differ by sign, line and color.
 */
export function explanationPage(
  explanation: Explanation,
  { text, picture }: ExplainedPost,
  info: Pick<JudgeInfo, 'name' | 'method'>,
): string {
  const { label, judgment, words, regions, notes } = explanation;
  const share = judgment.probabilities[label] as number;
  const verdict =
    label === judgment.label
      ? `The post is judged <strong>${escapeHtml(label)}</strong> with a probability of ${percentage(share)}`
      : `The post is judged <strong>${escapeHtml(judgment.label)}</strong>; explained is <strong>${escapeHtml(label)}</strong>, with a probability of ${percentage(share)}`; // prettier-ignore
  const body = [
    `<p>${verdict}, by the run <q>${escapeHtml(info.name)}</q>, method ${escapeHtml(info.method)}. Below, each word and each part of the image was left out by itself, and the rest judged again.</p>`, // prettier-ignore
    EXPLANATION_LEGEND,
    wholes(explanation),
    text === null ? '' : `<section><h2>Text</h2>\n${markedText(words, text)}</section>`,
    picture === null || regions.length === 0 ? '' : `<section><h2>Image</h2>\n${mappedImage(regions, picture)}</section>`, // prettier-ignore
    `<section><h2>What this shows, and what not</h2>${notes.map((note) => `<p>${escapeHtml(note)}</p>`).join('')}</section>`, // prettier-ignore
    '<section><h2>All numbers</h2>',
    words.length === 0 ? '' : details('Words', table('Words, in the order of the text', ['word', ...HEAD], words.map(({ word, change }) => [word, ...cells(change)]))), // prettier-ignore
    regions.length === 0 ? '' : details('Regions of the image', table('Regions, row by row', ['region', 'place', ...HEAD], regionRows(regions))), // prettier-ignore
    details('Probabilities', table('Of the whole post', ['class', 'probability'], Object.entries(judgment.probabilities).map(([name, p]) => [name, percentage(p)]))), // prettier-ignore
    '</section>',
  ];
  return htmlDocument(`Why “${label}”`, body.filter((part) => part !== '').join('\n'), `${STYLE}${EXPLANATION_STYLE}`);
}

/** A table that scrolls by itself where the page is narrow. The first cell of each row is its heading. */
function table(caption: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cell = (text: string, column: number): string =>
    column === 0 ? `<th scope="row">${escapeHtml(text)}</th>` : `<td>${escapeHtml(text)}</td>`;
  return `<div class="scroll" role="group" tabindex="0" aria-label="${escapeHtml(caption)}"><table><caption>${escapeHtml(caption)}</caption>
<thead><tr>${head.map((text) => `<th scope="col">${escapeHtml(text)}</th>`).join('')}</tr></thead>
<tbody>${rows.map((row) => `<tr>${row.map(cell).join('')}</tr>`).join('\n')}</tbody></table></div>`;
}

const HEAD = ['change, points', 'change, log odds'];

function percentage(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function cells({ probability, logOdds }: Change): string[] {
  return [pointsOf(probability), `${logOdds < 0 ? '−' : '+'}${Math.abs(logOdds).toFixed(2)}`];
}

function details(name: string, content: string): string {
  return `<details><summary>${name}</summary>${content}</details>`;
}

function wholes({ modalities }: Explanation): string {
  const parts = (['text', 'image'] as const).flatMap((modality) => {
    const change = modalities[modality];
    return change === null ? [] : [`${pointsOf(change.probability)} points by the whole ${modality}`];
  });
  return parts.length === 0 ? '' : `<p>Together: ${parts.join(', ')}.</p>`;
}

/** The image as it is, and the same under its regions, each with its change. */
function mappedImage(regions: readonly ExplainedRegion[], picture: Picture): string {
  const { address, width, height } = picture;
  return `<div class="figures">
<figure><img src="${escapeHtml(address)}" alt="The image" width="${width}" height="${height}"><figcaption>The image</figcaption></figure>
<figure>${explanationMap(regions, picture)}<figcaption>Change in points by each region; strongest: ${strongestPlaces(regions)}</figcaption></figure>
</div>`;
}

function regionRows(regions: readonly ExplainedRegion[]): string[][] {
  const tops = [...new Set(regions.map(({ top }) => top))];
  const lefts = [...new Set(regions.map(({ left }) => left))];
  return regions.map((region) => {
    const name = `row ${tops.indexOf(region.top) + 1}, column ${lefts.indexOf(region.left) + 1}`;
    return [name, placeOf(region), ...cells(region.change)];
  });
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1b2026; --paper: #ffffff; --line: #d5d9de; --soft: #f3f5f7; --muted: #59616a; --link: #1a5f9e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7eaed; --paper: #14171b; --line: #3a4149; --soft: #1e2329; --muted: #a3abb4; --link: #86bdf0; } }
* { box-sizing: border-box; }
body { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink); background: var(--paper); margin: 0; }
main { max-width: 66rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: .6rem 0; overflow-wrap: anywhere; } h2 { font-size: 1.25rem; margin: 1.8rem 0 .6rem; border-top: 1px solid var(--line); padding-top: 1.2rem; }
p { max-width: 46rem; overflow-wrap: anywhere; }
details { margin: .6rem 0; } summary { cursor: pointer; padding: .3rem 0; color: var(--link); }
.scroll { overflow-x: auto; max-width: 100%; } .scroll:focus-visible, summary:focus-visible { outline: 3px solid var(--for); outline-offset: 2px; }
table { border-collapse: collapse; margin: .8rem 0; font-size: .92rem; } caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: right; font-variant-numeric: tabular-nums; }
th[scope=row], thead th:first-child { text-align: left; font-weight: 500; } thead th { background: var(--soft); }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); gap: 1rem; }
figure { margin: 0; background: var(--soft); border-radius: .5rem; padding: .6rem; min-width: 0; } figcaption { font-size: .9rem; color: var(--muted); padding-top: .3rem; }
.marked { font-size: 1.2rem; max-width: 46rem; }
figure img { display: block; width: 100%; height: auto; border-radius: .3rem; }
`;
